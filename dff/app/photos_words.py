"""Counts, sizes and times as people say them."""


def counted(count: int, one: str, many: str = "") -> str:
    """ "no pictures", "1 picture", "2 pictures"."""
    return f"1 {one}" if count == 1 else f"{count or 'no'} {many or one + 's'}"


def megabytes(size: int) -> str:
    """A size of bytes."""
    return f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"


def duration(seconds: float) -> str:
    """A time, rounded."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} days"
