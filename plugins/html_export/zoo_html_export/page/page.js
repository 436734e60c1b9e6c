// The model in this file, run by a worker.

const record = JSON.parse(element("model-record").textContent);
const calls = new Map();
let worker = null;

start();

async function start() {
  startView();
  tellFacts();
  say("Opening the model …");
  try {
    await open();
  } catch (error) {
    say("");
    tell({ detail: `This browser cannot run the model: ${error.message}.`, hint: "Use a newer Chrome, Edge, Firefox or Safari." });
    return;
  }
  say("Ready.");
  state.model = { ...record, task: "semantic", licence: record.licence?.weights };
  if (state.file) take(state.file);
}

async function open() {
  const names = ["packed-worker", "packed-binary", "packed-model"];
  const [script, binary, model] = await Promise.all(names.map(unpack));
  worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => {
    const { resolve, reject } = calls.get(data.id);
    calls.delete(data.id);
    if (data.fault) reject(new Error(data.fault));
    else resolve(data.labels);
  };
  worker.onerror = (event) => calls.forEach(({ reject }) => reject(new Error(event.message || "its worker did not start")));
  await ask({ binary, model: new Uint8Array(model) }, [binary, model]);
}

function ask(what, moved) {
  const id = `${Date.now()} ${Math.random()}`;
  return new Promise((resolve, reject) => {
    calls.set(id, { resolve, reject });
    worker.postMessage({ id, ...what }, moved);
  });
}

// A part of this file: base64 of gzip.
function unpack(id) {
  const text = atob(element(id).textContent), bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  element(id).remove();
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function predict(file, model) {
  const { picture, size, pixels } = await read(file);
  const labels = clean(await ask({ pixels, ...size }, [pixels.buffer]), size, model);
  const counts = new Uint32Array(256);
  for (const label of labels) counts[label] += 1;
  const areas = Object.fromEntries(model.classes.map((name, id) => [name, { px: counts[id] }]));
  const entry = { width_px: size.width, height_px: size.height, areas };
  const shown = newShown(file.name, model, entry, picture);
  return Object.assign(shown, { found: labels, labels: shrunk(labels, size, shown.size) });
}

// Labels at the size of the canvas, the nearest of each.
function shrunk(labels, from, to) {
  if (to.width === from.width && to.height === from.height) return labels;
  const small = new Uint8Array(to.width * to.height);
  for (let y = 0; y < to.height; y++) {
    const row = Math.floor(((y + 0.5) * from.height) / to.height) * from.width;
    for (let x = 0; x < to.width; x++) small[y * to.width + x] = labels[row + Math.floor(((x + 0.5) * from.width) / to.width)];
  }
  return small;
}

function problemOf(error) {
  return error.problem ?? { detail: `The model failed on this image: ${error.message}.`, hint: "Try a smaller image." };
}

function downloads({ stem, found, entry }) {
  const size = { width: entry.width_px, height: entry.height_px };
  return [
    ["Overlay PNG", () => canvas.toBlob((blob) => save(blob, `${stem}_overlay.png`))],
    ["Labels PNG", async () => save(await labelPng(found, size), `${stem}_label.png`)],
  ];
}

function tellFacts() {
  const body = element("facts").tBodies[0];
  for (const [name, value] of record.facts) {
    const row = body.insertRow();
    row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: name }));
    row.insertCell().textContent = value;
  }
  element("software").textContent = record.software;
}
