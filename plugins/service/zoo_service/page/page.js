// The models of the service, and its answers.

const models = [];

start();

async function start() {
  startView();
  element("threshold").addEventListener("input", draw);
  element("model").addEventListener("change", () => choose(models[element("model").selectedIndex]));
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
    models.push(...(await answer.json()).models);
  } catch {
    tell({ detail: "The service does not answer.", hint: "Load this page again." });
    return;
  }
  for (const model of models) element("model").add(new Option(model.name));
  element("choice").hidden = models.length < 2;
  say("");
  choose(models[0]);
}

function choose(model) {
  state.model = model;
  if (state.file) take(state.file);
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
  element("threshold-row").hidden = element("count-head").hidden = isSemantic;
  const entry = values.images[0];
  const shown = newShown(file.name, model, entry, await load(entry.image));
  if (isSemantic) shown.labels = pixels(await load(entry.label), shown.size);
  else shown.runs = entry.instances.map((one) => one.segmentation && decodeRuns(one.segmentation.counts));
  return shown;
}

function problemOf(error) {
  return error.problem ?? { detail: "The service does not answer.", hint: "Try again." };
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

function downloads({ model }) {
  const ways = [["Overlay PNG", () => serverFile("overlay", "image/png", "_overlay.png")]];
  if (model.task === "semantic") ways.push(["Labels PNG", () => serverFile("predict", "image/png", "_label.png")]);
  else ways.push(["COCO JSON", () => serverFile("predict", "application/vnd.coco+json", "_coco.json")]);
  ways.push(["JSON", () => serverFile("predict", "application/json", ".json")]);
  return ways;
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
