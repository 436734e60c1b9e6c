"use strict";

// An image and what a model found in it: taken, drawn, listed. Pages bring `predict`, `problemOf` and `downloads`.

const MOST_CANVAS_PX = 16e6; // what phones draw
const BACKGROUND = ["background", "_background_", "bg", "unlabeled", "unlabelled"]; // not drawn

const element = (id) => document.getElementById(id);
const canvas = element("canvas");
const state = { model: null, file: null, shown: null, request: null };
// How results are drawn over the picture and told in the table, by task.
const tasks = { semantic: { layer: labelLayer, finish() {}, fill: fillLabels } };

function startView() {
  element("file").addEventListener("change", () => take(element("file").files[0]));
  element("opacity").addEventListener("input", draw);
  for (const name of ["dragover", "drop", "dragleave"]) document.addEventListener(name, onDrag);
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
}

function onDrag(event) {
  event.preventDefault();
  element("drop").classList.toggle("over", event.type === "dragover");
  if (event.type === "drop") take(event.dataTransfer.files[0]);
}

async function take(file) {
  if (!file) return;
  state.file = file;
  if (!state.model) return; // it is taken once the model is open
  state.request?.abort();
  const request = (state.request = new AbortController());
  element("problem").hidden = true;
  say(`Segmenting ${file.name} …`);
  const begun = performance.now();
  try {
    const shown = await predict(file, state.model, request.signal);
    request.signal.throwIfAborted();
    state.shown = shown;
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    say(`${file.name}: ${seconds} s`);
    show();
  } catch (error) {
    if (error.name === "AbortError") return;
    say("");
    tell(problemOf(error));
  }
}

// What is drawn: the picture, and what was found in it at the canvas' scale.
function newShown(name, model, entry, picture) {
  const { width_px: width, height_px: height } = entry;
  const scale = Math.min(1, Math.sqrt(MOST_CANVAS_PX / (width * height)));
  const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  const stem = name.replace(/\.[^.]*$/, "") || "image";
  const hidden = new Set(model.classes.filter((one) => BACKGROUND.includes(one.toLowerCase())));
  return { name, stem, model, entry, scale, size, picture, hidden };
}

function surface(size) {
  return Object.assign(document.createElement("canvas"), size);
}

function show() {
  const { model, entry, name, size } = state.shown;
  canvas.width = size.width;
  canvas.height = size.height;
  element("drop").classList.add("small");
  element("figure").hidden = element("panel").hidden = false;
  element("title").textContent = model.name;
  element("notice").textContent = [model.notice, model.licence && `Licence: ${model.licence}`].filter(Boolean).join(" ");
  element("caption").textContent = `${name}, ${entry.width_px} × ${entry.height_px} px`;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name} with what ${model.name} found`);
  listClasses();
  listDownloads();
  draw();
}

function draw() {
  const opacity = element("opacity").value / 100;
  element("opacity-value").textContent = `${Math.round(opacity * 100)} %`;
  if (!state.shown) return;
  const { picture, model } = state.shown, task = tasks[model.task], context = canvas.getContext("2d");
  context.globalAlpha = 1;
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = opacity;
  context.drawImage(task.layer(), 0, 0);
  context.globalAlpha = 1;
  task.finish(context);
  task.fill(element("legend").tBodies[0].rows);
}

function labelLayer() {
  const { labels, size, model, hidden } = state.shown;
  const key = [...hidden].join();
  if (state.shown.layerKey === key) return state.shown.layer;
  const layer = surface(size), context = layer.getContext("2d");
  const image = context.createImageData(size.width, size.height), words = new Uint32Array(image.data.buffer);
  const colors = new Uint32Array(256);
  model.classes.forEach((name, id) => { colors[id] = hidden.has(name) ? 0 : packed(model.palette[id]); });
  labels.forEach((id, index) => { words[index] = colors[id]; });
  context.putImageData(image, 0, 0);
  Object.assign(state.shown, { layer, layerKey: key });
  return layer;
}

// RGBA as one number in the order of bytes of every machine that runs browsers.
const packed = ([red, green, blue]) => ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;

function listClasses() {
  const { model, hidden } = state.shown, body = element("legend").tBodies[0];
  body.replaceChildren();
  model.classes.forEach((name, id) => {
    const row = body.insertRow(), box = document.createElement("input"), label = document.createElement("label");
    const swatch = document.createElement("span"), text = document.createElement("span");
    Object.assign(box, { type: "checkbox", checked: !hidden.has(name) });
    box.addEventListener("change", () => { hidden[box.checked ? "delete" : "add"](name); draw(); });
    swatch.className = "swatch";
    swatch.style.background = `rgb(${model.palette[id].join()})`;
    text.textContent = name;
    label.append(box, swatch, text);
    row.insertCell().append(label);
    if (model.task === "instance") row.insertCell();
    row.insertCell();
  });
}

function fillLabels(rows) {
  const { model, entry } = state.shown, pixelsAll = entry.width_px * entry.height_px;
  model.classes.forEach((name, id) => {
    const area = entry.areas[name];
    write(rows[id].cells[1], [`${count(area.px)} px`, percent(area.px / pixelsAll), physical(area)]);
  });
}

function write(cell, [first, ...more]) {
  cell.replaceChildren(first);
  for (const text of more.filter(Boolean)) {
    cell.append(Object.assign(document.createElement("span"), { className: "faint", textContent: text }));
  }
}

const count = (number) => number.toLocaleString("en");
const percent = (share) => `${(100 * share).toFixed(share < 0.01 ? 2 : 1)} %`;

function physical(area) {
  if (area.mm2 !== undefined) return `${Number(area.mm2.toPrecision(4)).toLocaleString("en")} mm²`;
  if (area.m2 !== undefined) return `${Number(area.m2.toPrecision(4)).toLocaleString("en")} m²`;
  return "";
}

function listDownloads() {
  element("downloads").replaceChildren(
    ...downloads(state.shown).map(([text, act]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", act);
      return button;
    }),
  );
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function say(text) {
  element("status").textContent = text;
}

function tell(problem) {
  const [first, second] = element("problem").children;
  first.textContent = problem.detail.charAt(0).toUpperCase() + problem.detail.slice(1);
  second.textContent = problem.hint ?? "";
  element("problem").hidden = false;
}
