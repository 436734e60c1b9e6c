"use strict";
// Copy buttons on every page; on the list also the search. Without a script everything is readable.

const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = make("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const isDone = document.execCommand("copy");
    area.remove();
    return isDone;
  }
};

for (const block of document.querySelectorAll("pre.copy")) {
  const box = make("div", "box");
  const button = make("button", "", "Copy");
  button.type = "button";
  button.setAttribute("aria-label", `Copy: ${block.getAttribute("aria-label")}`);
  button.addEventListener("click", async () => {
    button.textContent = (await copy(block.textContent)) ? "Copied" : "Press Ctrl-C";
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
  block.replaceWith(box);
  box.append(block, button);
}

// The values of a row, in the order in which search_index.py writes them.
const NAME = 0, PATH = 1, OWNER = 2, TASK = 3, LICENCE = 4, DATASETS = 5, ARCHITECTURES = 6,
  SUMMARY = 7, MARKS = 8, METRIC = 9, SIZE = 10, PARAMETERS = 11, CLASSES = 12, OTHERS = 13,
  THUMB = 14;
const NON_COMMERCIAL = 1, DATA_NON_COMMERCIAL = 2, WITHDRAWN = 4, RESTRICTED = 8,
  OF_SOURCE = 16, DEPRECATED = 32;
const MOST = 60;

const search = (form, { texts, rows }) => {
  const byId = (id) => document.getElementById(id);
  const count = byId("count"), found = byId("found"), listed = byId("listed"), more = byId("more");
  const choices = { task: TASK, dataset: DATASETS, architecture: ARCHITECTURES, licence: LICENCE };
  const inputs = ["words", ...Object.keys(choices), "order", "commercial"].map(byId);
  const plain = (text) => text.toLowerCase().replace(/[_\s-]+/g, "-");
  const said = texts.map(plain);
  const haystacks = rows.map((row) => [
    plain(row[NAME]), ...[OWNER, TASK, LICENCE, SUMMARY, METRIC, CLASSES, OTHERS]
      .filter((key) => row[key] >= 0).map((key) => said[row[key]]),
    ...row[DATASETS].map((each) => said[each]), ...row[ARCHITECTURES].map((each) => said[each]),
  ].join("\n"));
  let chosen = [], shown = 0;

  for (const [id, key] of Object.entries(choices)) {
    const counts = new Map();
    for (const row of rows) {
      for (const each of [row[key]].flat()) counts.set(each, (counts.get(each) ?? 0) + 1);
    }
    const ordered = [...counts].sort((a, b) => texts[a[0]].localeCompare(texts[b[0]], "en"));
    for (const [each, number] of ordered) {
      const label = texts[each].length > 60 ? `${texts[each].slice(0, 59)}…` : texts[each];
      const option = make("option", "", `${label} (${number})`);
      option.value = texts[each];
      byId(id).append(option);
    }
  }

  const scaled = (number, units) => {
    let [value, unit] = [number, 0];
    while (value >= 999.95 && unit < units.length - 1) { value /= 1000; unit += 1; }
    return `${unit ? value.toFixed(1) : value} ${units[unit]}`.trim();
  };

  const item = (row) => {
    const element = make("li", "model");
    const add = (parent, tag, className, text) => parent.appendChild(make(tag, className, text));
    if (row[THUMB]) {
      const image = add(element, "img", "thumb");
      Object.assign(image, { src: row[THUMB], alt: "", loading: "lazy", width: 96, height: 72 });
    }
    const name = add(element, "a", "name");
    const owner = texts[row[OWNER]];
    const usual = `${row[MARKS] & OF_SOURCE ? "sources" : "plugins"}/${owner}/${
      row[NAME].startsWith(`${owner}/`) ? row[NAME].slice(owner.length + 1) : row[NAME]}.html`;
    name.href = (row[PATH] || usual).split("/").map(encodeURIComponent).join("/");
    const written = add(name, "bdi");
    for (const part of row[NAME].split(/(?<=[_./@-])/)) written.append(part, make("wbr"));
    if (row[METRIC] >= 0) {
      const [metric, value, dataset] = texts[row[METRIC]].split("\n");
      const score = add(element, "span", "score");
      add(score, "bdi", "", metric);
      score.append(" ");
      add(score, "b", "", value);
      score.append(" on ");
      add(score, "bdi", "", dataset);
    }
    if (texts[row[SUMMARY]]) add(add(element, "p", "about"), "bdi", "", texts[row[SUMMARY]]);
    const facts = add(element, "p", "facts");
    const task = texts[row[TASK]];
    const known = ["semantic", "instance", "backbone"].includes(task) ? task : "other";
    add(facts, "span", `badge task-${known}`, task);
    if (row[MARKS] & WITHDRAWN) add(facts, "span", "badge bad", "withdrawn");
    if (row[MARKS] & DEPRECATED) add(facts, "span", "badge warn", "deprecated");
    if (row[MARKS] & NON_COMMERCIAL) add(facts, "span", "badge warn", "non-commercial");
    if (row[MARKS] & DATA_NON_COMMERCIAL) add(facts, "span", "badge warn", "data non-commercial");
    add(add(facts, "span"), "bdi", "", texts[row[LICENCE]]);
    if (row[PARAMETERS]) {
      add(facts, "span", "", `${scaled(row[PARAMETERS], ["", "k", "M", "G", "T"])} parameters`);
    }
    if (row[SIZE]) add(facts, "span", "", scaled(row[SIZE], ["B", "kB", "MB", "GB", "TB"]));
    add(facts, "span", "owner", owner);
    return element;
  };

  const showMore = () => {
    found.append(...chosen.slice(shown, shown + MOST).map((number) => item(rows[number])));
    shown = Math.min(shown + MOST, chosen.length);
    more.hidden = shown >= chosen.length;
  };

  const ordered = (numbers, order, words) => {
    const by = { parameters: PARAMETERS, size: SIZE }[order];
    const value = (number) => rows[number][by] || Infinity;
    if (by) return numbers.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : a - b));
    if (order === "name") return numbers.sort((a, b) => (rows[a][NAME] < rows[b][NAME] ? -1 : 1));
    const isNamed = (number) => words.every((word) => plain(rows[number][NAME]).includes(word));
    return words.length ? numbers.sort((a, b) => isNamed(b) - isNamed(a) || a - b) : numbers;
  };

  const update = () => {
    const given = Object.fromEntries(inputs.map((each) => [each.id, each.type === "checkbox" ? (each.checked ? "yes" : "") : each.value.trim()]));
    const asked = Object.entries(given).filter(([, value]) => value);
    const words = given.words.toLowerCase().split(/\s+/).map(plain).filter(Boolean);
    const isAsked = asked.length > 0;
    listed.hidden = isAsked;
    found.hidden = !isAsked;
    const pages = byId("pages");
    if (pages) pages.hidden = isAsked;
    history.replaceState(null, "", isAsked ? `#${new URLSearchParams(asked)}` : location.pathname);
    found.replaceChildren();
    [chosen, shown] = [[], 0];
    more.hidden = true;
    count.textContent = "";
    if (!isAsked) return;
    const fits = (row, number) =>
      words.every((word) => haystacks[number].includes(word)) &&
      Object.entries(choices).every(([id, key]) => !given[id] || [row[key]].flat().some((each) => texts[each] === given[id])) &&
      !(given.commercial && row[MARKS] & (RESTRICTED | NON_COMMERCIAL));
    chosen = ordered(rows.flatMap((row, number) => (fits(row, number) ? [number] : [])), given.order, words);
    count.textContent = chosen.length ? `${chosen.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} models` : "No model fits. Clear a filter, or search for fewer words.";
    showMore();
  };

  const restore = () => {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const each of inputs) {
      if (each.type === "checkbox") each.checked = given.has(each.id);
      else if (each.tagName !== "SELECT" || [...each.options].some((option) => option.value === given.get(each.id))) each.value = given.get(each.id) ?? "";
    }
  };

  form.hidden = false;
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", update);
  form.addEventListener("reset", () => setTimeout(update));
  more.firstElementChild.addEventListener("click", showMore);
  if (/^#\w+=/.test(location.hash)) {
    restore();
    update();
  }
};

const form = document.getElementById("search");
if (form && window.zooGallery) search(form, window.zooGallery);
