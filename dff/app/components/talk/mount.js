// The talk inside the dashboard: kept while the same slides are shown, or a key would be lost.
const mounted = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  const root = parentElement.querySelector(".talk");
  const known = mounted.get(root);
  if (known && known.version === data.version) return known.stop;
  if (known) known.stop();
  const stop = start(root, JSON.parse(data.json), {
    first: data.first,
    onSlide: (number) => setStateValue("slide", number),
    leave: data.leave,
  });
  mounted.set(root, { version: data.version, stop });
  return stop;
}
