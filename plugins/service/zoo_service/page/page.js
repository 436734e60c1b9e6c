"use strict";

const MOST_CANVAS_PX = 16e6; // what phones draw
const BACKGROUND = ["background", "_background_", "bg", "unlabeled", "unlabelled"]; // not drawn
const LEAST_SCORE = 0.05; // instances below are not asked for

const element = (id) => document.getElementById(id);
const canvas = element("canvas");
const state = { models: [], model: null, file: null, shown: null, request: null };

start();

async function start() {
  element("file").addEventListener("change", () => take(element("file").files[0]));
  element("model").addEventListener("change", () => {
    state.model = state.models[element("model").selectedIndex];
    if (state.file) take(state.file);
  });
  for (const id of ["opacity", "threshold"]) element(id).addEventListener("input", draw);
  for (const name of ["dragover", "drop", "dragleave"]) document.addEventListener(name, onDrag);
  document.addEventListener("paste", (event) => take(event.clipboardData.files[0]));
  await listModels();
}

async function listModels() {
  try {
    const answer = await fetch("/v1/models");
    if (answer.status === 503) {
      say("The models are being opened …");
      setTimeout(listModels, 1000);
      return;
    }
    state.models = (await answer.json()).models;
  } catch {
    tell({ detail: "The service does not answer.", hint: "Load this page again." });
    return;
  }
  for (const model of state.models) element("model").add(new Option(model.name));
  element("choice").hidden = state.models.length < 2;
  state.model = state.models[0];
  say("");
  if (state.file) take(state.file); // it came while the models were being opened
}

function onDrag(event) {
  event.preventDefault();
  element("drop").classList.toggle("over", event.type === "dragover");
  if (event.type === "drop") take(event.dataTransfer.files[0]);
}

async function take(file) {
  if (!file) return;
  state.file = file;
  if (!state.model) return; // listModels takes it
  state.request?.abort();
  const request = (state.request = new AbortController());
  element("problem").hidden = true;
  say(`Segmenting ${file.name} …`);
  const begun = performance.now();
  try {
    const document_ = await predict(file, state.model, request.signal);
    state.shown = await prepare(document_, state.model, file.name);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    say(`${file.name}: ${seconds} s`);
    show();
  } catch (error) {
    if (error.name === "AbortError") return;
    say("");
    tell(error.problem ?? { detail: "The service does not answer.", hint: "Try again." });
  }
}

async function predict(file, model, signal) {
  const isSemantic = model.task === "semantic";
  const query = isSemantic ? "include=image,label" : `include=image,masks&score_thr=${LEAST_SCORE}`;
  const body = new FormData();
  body.append("image", file);
  const headers = { Accept: "application/json" };
  const answer = await fetch(`${model.predict}?${query}`, { method: "POST", body, headers, signal });
  const values = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(values.detail), { problem: values });
  return values;
}

// What is drawn: the picture, and for each class or instance its pixels at the canvas' scale.
async function prepare(document_, model, name) {
  const entry = document_.images[0];
  const { width_px: width, height_px: height } = entry;
  const scale = Math.min(1, Math.sqrt(MOST_CANVAS_PX / (width * height)));
  const size = { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
  const shown = { name, model, entry, scale, size, picture: await load(entry.image) };
  shown.stem = name.replace(/\.[^.]*$/, "") || "image";
  shown.hidden = new Set(model.classes.filter((one) => BACKGROUND.includes(one.toLowerCase())));
  if (model.task === "semantic") shown.labels = pixels(await load(entry.label), size);
  else shown.runs = entry.instances.map((one) => one.segmentation && decodeRuns(one.segmentation.counts));
  return shown;
}

function load(address) {
  const image = new Image();
  image.src = address;
  return image.decode().then(() => image);
}

// The grey values of a label PNG, without blending.
function pixels(image, size) {
  const context = surface(size).getContext("2d", { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  context.drawImage(image, 0, 0, size.width, size.height);
  const data = context.getImageData(0, 0, size.width, size.height).data;
  return Uint8Array.from({ length: data.length / 4 }, (_, index) => data[4 * index]);
}

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
  const isInstance = model.task === "instance";
  element("threshold-row").hidden = element("count-head").hidden = !isInstance;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${name} with what ${model.name} found`);
  listClasses();
  listDownloads();
  draw();
}

function draw() {
  const opacity = element("opacity").value / 100;
  element("opacity-value").textContent = `${Math.round(opacity * 100)} %`;
  element("threshold-value").textContent = threshold().toFixed(2);
  if (!state.shown) return;
  const context = canvas.getContext("2d");
  context.globalAlpha = 1;
  context.drawImage(state.shown.picture, 0, 0, canvas.width, canvas.height);
  context.globalAlpha = opacity;
  context.drawImage(state.shown.model.task === "semantic" ? labelLayer() : instanceLayer(), 0, 0);
  context.globalAlpha = 1;
  if (state.shown.model.task === "instance") drawBoxes(context);
  fillAreas();
}

const threshold = () => element("threshold").value / 100;

function visible() {
  const { entry, hidden } = state.shown;
  return entry.instances
    .map((one, index) => ({ ...one, index }))
    .filter((one) => one.score >= threshold() && !hidden.has(one.class));
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

function fillAreas() {
  const { model, entry } = state.shown, rows = element("legend").tBodies[0].rows;
  const pixelsAll = entry.width_px * entry.height_px;
  model.classes.forEach((name, id) => {
    const cells = rows[id].cells;
    if (model.task === "semantic") {
      const area = entry.areas[name];
      write(cells[1], [`${count(area.px)} px`, percent(area.px / pixelsAll), physical(area)]);
      return;
    }
    const found = entry.instances.filter((one) => one.class === name && one.score >= threshold());
    const area = found.reduce((sum, one) => sum + one.area_px, 0);
    write(cells[1], [count(found.length)]);
    write(cells[2], [`${count(area)} px`, percent(area / pixelsAll)]);
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
  const { model } = state.shown;
  const ways = [["Overlay PNG", () => serverFile("overlay", "image/png", "_overlay.png")]];
  if (model.task === "semantic") ways.push(["Labels PNG", () => serverFile("predict", "image/png", "_label.png")]);
  else ways.push(["COCO JSON", () => serverFile("predict", "application/vnd.coco+json", "_coco.json")]);
  ways.push(["JSON", () => serverFile("predict", "application/json", ".json")]);
  element("downloads").replaceChildren(
    ...ways.map(([text, act]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", act);
      return button;
    }),
  );
}

// A file as the service writes it, with the sliders' opacity and least score.
async function serverFile(what, accept, ending) {
  const { model, stem } = state.shown, query = new URLSearchParams();
  if (model.task === "instance") query.set("score_thr", threshold());
  if (what === "overlay") query.set("opacity", element("opacity").value / 100);
  const body = new FormData();
  body.append("image", state.file);
  element("problem").hidden = true;
  try {
    const answer = await fetch(`${model[what]}?${query}`, { method: "POST", body, headers: { Accept: accept } });
    if (!answer.ok) { tell(await answer.json()); return; }
    save(await answer.blob(), stem + ending);
  } catch {
    tell({ detail: "The service does not answer.", hint: "Try again." });
  }
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
