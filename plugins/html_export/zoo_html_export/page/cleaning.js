// The postprocessing that a model states, as zoo's: small parts become background, holes are filled.

function clean(labels, size, model) {
  const steps = model.postprocess;
  if (!steps) return labels;
  const ground = model.classes.findIndex((name) => BACKGROUND.includes(name.trim().toLowerCase()));
  for (const [name, count] of Object.entries(steps.keep_largest)) keepLargest(labels, size, model.classes.indexOf(name), count, ground);
  for (const name of steps.fill_holes) fillHoles(labels, size, model.classes.indexOf(name), ground);
  return labels;
}

// Parts touch at sides or corners; of equal ones, that whose first pixel comes first row by row is kept.
function keepLargest(labels, size, id, count, ground) {
  const { parts, areas } = findParts(labels, size, (label) => label === id, true);
  const order = areas.map((_, part) => part).sort((one, other) => areas[other] - areas[one] || one - other);
  const dropped = new Set(order.slice(count));
  if (dropped.size) parts.forEach((part, at) => { if (part && dropped.has(part - 1)) labels[at] = ground; });
}

// A hole is not connected to the border across sides; only background in it is filled.
function fillHoles(labels, size, id, ground) {
  const { parts, areas } = findParts(labels, size, (label) => label !== id, false);
  const open = new Uint8Array(areas.length + 1), { width, height } = size;
  for (let x = 0; x < width; x++) open[parts[x]] = open[parts[(height - 1) * width + x]] = 1;
  for (let y = 0; y < height; y++) open[parts[y * width]] = open[parts[y * width + width - 1]] = 1;
  parts.forEach((part, at) => { if (part && !open[part] && labels[at] === ground) labels[at] = id; });
}

// Numbers of connected parts from 1, in the order of their first pixels, and their areas.
function findParts(labels, { width, height }, isPart, hasCorners) {
  const parts = new Uint32Array(labels.length), areas = [], waiting = [];
  for (let start = 0; start < labels.length; start++) {
    if (parts[start] || !isPart(labels[start])) continue;
    const part = areas.push(0);
    parts[start] = part;
    waiting.push(start);
    while (waiting.length) {
      const at = waiting.pop(), x = at % width, y = (at - x) / width;
      areas[part - 1] += 1;
      for (let down = Math.max(0, y - 1); down <= Math.min(height - 1, y + 1); down++) {
        for (let across = Math.max(0, x - 1); across <= Math.min(width - 1, x + 1); across++) {
          const next = down * width + across;
          if (!hasCorners && down !== y && across !== x) continue;
          if (parts[next] || !isPart(labels[next])) continue;
          parts[next] = part;
          waiting.push(next);
        }
      }
    }
  }
  return { parts, areas };
}
