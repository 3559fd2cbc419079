# The dashboard as a public server, on the CPU: see docs/deployment.md.
#
#   docker build --build-arg PYTORCH_INDEX=ADDRESS -t dff .
#   docker run --rm -p 8501:8501 dff
FROM python:3.11-slim

# Where PyTorch is taken from. Its CPU-only build has an index of its own, whose address is on
# PyTorch's install page; without it the default build brings 4 GB of GPU libraries.
ARG PYTORCH_INDEX=""

RUN useradd --create-home --uid 1000 dff
WORKDIR /home/dff/app

# Before the code, so that a change of code installs nothing anew.
COPY requirements.txt .
RUN grep -E '^torch(vision)?==' requirements.txt > pytorch.txt \
    && pip install --no-cache-dir ${PYTORCH_INDEX:+--index-url "$PYTORCH_INDEX"} -r pytorch.txt \
    && pip install --no-cache-dir -r requirements.txt \
    && rm pytorch.txt

COPY . .

# Strangers come here: no folders of the server, no changes, lower limits. The upload's limit in
# megabytes is the server's own, which holds whatever a browser claims. Two places for all threads
# to take memory from, not eight a core: 85 MB less with twenty visitors.
ENV DFF_PUBLIC=1 \
    STREAMLIT_SERVER_MAX_UPLOAD_SIZE=8 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_SERVER_PORT=8501 \
    STREAMLIT_SERVER_HEADLESS=true \
    MALLOC_ARENA_MAX=2 \
    PYTHONUNBUFFERED=1

USER dff
# Once, here: a server then loads its network without PyTorch.
RUN python -c "import dff; dff.load_backbone()"
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://localhost:{os.environ['STREAMLIT_SERVER_PORT']}/_stcore/health\", timeout=4)"]
CMD ["streamlit", "run", "streamlit_app.py"]
