// Instances: drawn from their runs, with boxes, above a least score.

const LEAST_SCORE = 0.05; // instances below are not asked for

tasks.instance = { layer: instanceLayer, finish: drawBoxes, fill: fillInstances };

// COCO's compact run lengths: 5 bits a character, the sixth says that more follow.
function decodeRuns(text) {
  const runs = [];
  for (let at = 0; at < text.length; ) {
    let value = 0, shift = 0, code;
    do {
      code = text.charCodeAt(at++) - 48;
      value |= (code & 31) << shift;
      shift += 5;
    } while (code & 32);
    if (code & 16 && shift < 32) value |= -1 << shift;
    if (runs.length > 2) value += runs[runs.length - 2];
    runs.push(value);
  }
  return runs;
}

const threshold = () => element("threshold").value / 100;

function visible() {
  const { entry, hidden } = state.shown;
  return entry.instances
    .map((one, index) => ({ ...one, index }))
    .filter((one) => one.score >= threshold() && !hidden.has(one.class));
}

function instanceLayer() {
  const { runs, size, scale, model, entry } = state.shown;
  const layer = surface(size), context = layer.getContext("2d");
  const image = context.createImageData(size.width, size.height), words = new Uint32Array(image.data.buffer);
  for (const one of visible()) {
    const color = packed(colorOf(one.class));
    if (runs[one.index]) paint(words, runs[one.index], color, size, scale, entry.height_px);
    else paintBox(words, one.box, color, size, scale);
  }
  context.putImageData(image, 0, 0);
  return layer;
}

// Runs go down the columns; every second one is of the object.
function paint(words, runs, color, size, scale, height) {
  let at = 0;
  runs.forEach((length, order) => {
    if (order % 2) {
      for (let index = at; index < at + length; index++) {
        const x = Math.min(size.width - 1, Math.floor(Math.floor(index / height) * scale));
        const y = Math.min(size.height - 1, Math.floor((index % height) * scale));
        words[y * size.width + x] = color;
      }
    }
    at += length;
  });
}

function paintBox(words, box, color, size, scale) {
  const [left, top, right, bottom] = box.map((value) => Math.round(value * scale));
  for (let y = Math.max(0, top); y < Math.min(size.height, bottom); y++) {
    words.fill(color, y * size.width + Math.max(0, left), y * size.width + Math.min(size.width, right));
  }
}

function drawBoxes(context) {
  element("threshold-value").textContent = threshold().toFixed(2);
  context.lineWidth = Math.max(1, canvas.width / 640);
  for (const one of visible()) {
    const [left, top, right, bottom] = one.box.map((value) => value * state.shown.scale);
    context.strokeStyle = `rgb(${colorOf(one.class).join()})`;
    context.strokeRect(left, top, right - left, bottom - top);
  }
}

function colorOf(name) {
  const { model } = state.shown;
  return model.palette[model.classes.indexOf(name)];
}

function fillInstances(rows) {
  const { model, entry } = state.shown, pixelsAll = entry.width_px * entry.height_px;
  model.classes.forEach((name, id) => {
    const found = entry.instances.filter((one) => one.class === name && one.score >= threshold());
    const area = found.reduce((sum, one) => sum + one.area_px, 0);
    write(rows[id].cells[1], [count(found.length)]);
    write(rows[id].cells[2], [`${count(area)} px`, percent(area / pixelsAll)]);
  });
}
