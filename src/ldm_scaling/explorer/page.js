"use strict";
const data = JSON.parse(document.getElementById("content").textContent);

// ------------------------------------------------------------ small helpers

const $ = (selector) => document.querySelector(selector);
const digits = (x) => (x == null ? "–" : String(Number(x.toPrecision(4))));
const interval = (row) => `${digits(row.value)} [${digits(row.lo)}, ${digits(row.hi)}]`;
const plain = (name) => name.replaceAll("_", " ");
const escaped = (text) => text.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child != null));
  return element;
}

function fill(selector, ...children) {
  $(selector).replaceChildren(...children.filter((child) => child != null));
}

const button = (text, onclick, more) => make("button", { type: "button", onclick, ...more }, text);

// ------------------------------------------------------------ what is known, and what is asked

const cells = new Map(data.cells.map((cell) => [cell.cell, cell]));
const measured = {};
for (const [metric, rows] of Object.entries(data.measured)) {
  measured[metric] = rows.map((row) => ({ ...cells.get(row.cell), ...row }));
}
const several = Object.keys(data.settings).filter((name) => data.settings[name].values.length > 1);
const state = {
  metric: Object.keys(data.metrics)[0],
  axis: Object.keys(data.axes)[0],
  colour: several.includes("size") ? "size" : several[0] ?? Object.keys(data.settings)[0],
  budget: null,
  hidden: Object.fromEntries(several.map((name) => [name, new Set()])),
  looked: null, // the cell that was clicked; null: the best within the budget
  pinned: null, // null: the best of all
};

const sign = () => data.metrics[state.metric].sign;
const cost = (row) => row.costs[state.axis];
const isSound = (row) => row.value != null && row.halves.length > 0 && cost(row) != null;

function valueOf(setting, cell) {
  const value = cell.settings[setting];
  return data.settings[setting].values.find((known) => known.value === value);
}

const isShown = (cell) =>
  several.every((setting) => !state.hidden[setting].has(cell.settings[setting]));

// ------------------------------------------------------------ the choice, as tables/choose.py makes it

const SAME = 1 + 1e-6;

/** From which cost on each row is chosen, and its luck. */
function stepsOf(rows) {
  const rising = rows.filter(isSound).sort((one, other) => cost(one) - cost(other));
  const draws = rising.map((row) => [row.value, ...row.halves].map((x) => sign() * x));
  const halves = draws.length ? draws[0].length - 1 : 0;
  const mirrored = (at, half) => 2 * draws[at][0] - draws[at][half];
  // the best so far on each half, and on the other half; place 0 is for all images
  const here = new Array(halves + 1).fill(0);
  const there = new Array(halves + 1).fill(0);
  const steps = [];
  let last = Infinity;
  let next = 0;
  for (const row of rising) {
    for (; next < rising.length && cost(rising[next]) <= cost(row) * SAME; next++) {
      for (let half = 0; half <= halves; half++) {
        if (draws[next][half] < draws[here[half]][half]) here[half] = next;
        if (mirrored(next, half) < mirrored(there[half], half)) there[half] = next;
      }
    }
    let luck = 0;
    for (let half = 1; half <= halves; half++) luck += draws[there[half]][half] - draws[here[half]][half];
    luck /= halves * Math.SQRT2;
    if (draws[here[0]][0] + luck < last) {
      last = draws[here[0]][0] + luck;
      if (steps.at(-1)?.row !== rising[here[0]]) {
        steps.push({ cost: cost(row), row: rising[here[0]], luck: sign() * luck });
      }
    }
  }
  return steps;
}

/** The last step within a limit, and which other rows are told apart from it. */
function choose(rows, steps, limit) {
  const step = steps.findLast((own) => own.cost <= limit * SAME);
  if (!step) return null;
  const best = drawsOf(step.row);
  const others = rows.filter((row) => row !== step.row && isSound(row) && cost(row) <= limit * SAME);
  others.sort((one, other) => sign() * (one.value - other.value));
  const isTied = (row) => {
    const own = drawsOf(row);
    return sign() * (own[0] - best[0] - step.luck) <= doubt(own, best);
  };
  return { ...step, tied: others.filter(isTied), behind: others.filter((row) => !isTied(row)) };
}

const drawsOf = (row) => [row.value, ...row.halves];

/** Half the width of the interval of the difference of two rows of draws. */
function doubt(one, other) {
  const behind = one.map((x, at) => x - other[at]);
  const squares = behind.slice(1).map((x) => (x - behind[0]) ** 2);
  return data.quantile * Math.sqrt(squares.reduce((sum, x) => sum + x, 0) / squares.length);
}

// ------------------------------------------------------------ one view of everything

let view;

function look() {
  const rows = measured[state.metric].filter((row) => isShown(row) && cost(row) != null);
  const steps = stepsOf(rows);
  if (state.budget == null && steps.length) state.budget = steps[Math.floor(steps.length / 2)].cost;
  const choice = choose(rows, steps, state.budget);
  const of = (number) => measured[state.metric].find((row) => row.cell === number);
  const costs = measured[state.metric].map(cost).filter((x) => x > 0);
  view = {
    rows,
    steps,
    choice,
    range: [Math.min(...costs) * 0.85, Math.max(...costs) * 1.18],
    looked: of(state.looked) ?? choice?.row ?? steps[0]?.row,
    pinned: of(state.pinned) ?? steps.at(-1)?.row,
  };
}

let due = 0;
function render() {
  cancelAnimationFrame(due);
  due = requestAnimationFrame(draw);
}

function draw() {
  look();
  showQuestion();
  showAnswer();
  showCurves();
  showCells();
  showImages();
  showLevers();
}

// ------------------------------------------------------------ the question and the answer

function showQuestion() {
  $("#metric").value = state.metric;
  $("#axis").value = state.axis;
  $("#colour").value = state.colour;
  if (document.activeElement !== $("#budget")) $("#budget").value = digits(state.budget);
  const [low, high] = view.range.map(Math.log10);
  Object.assign($("#slider"), { min: low, max: high });
  $("#slider").value = Math.log10(state.budget);
  $("#slider").setAttribute("aria-valuetext", `${digits(state.budget)} of ${plain(state.axis)}`);
}

function showAnswer() {
  const { choice, steps } = view;
  if (!choice) {
    const [first] = steps;
    fill("#answer", make("p", {}, first ? `Nothing costs so little. ${first.row.name} begins at ${digits(first.cost)}.`
      : "Nothing is left to choose from."));
    fill("#steps", first && button(`from ${digits(first.cost)} on: ${first.row.name}`, () => setBudget(first.cost)));
    return;
  }
  const others = choice.tied.length;
  fill("#answer",
    make("p", {}, "Take ", make("b", {}, choice.row.name)),
    make("p", {}, make("strong", {}, interval(choice.row)), ` ${data.metrics[state.metric].label}`),
    make("p", { className: "note" },
      others ? `Not told apart from ${others} other${others > 1 ? "s" : ""}, marked ○. ` : "Better than every other one within the budget. ",
      choice.luck ? `As it was chosen on these images, expect ${digits(choice.row.value + choice.luck)} on others.` : null));
  const at = steps.findLastIndex((step) => step.cost <= state.budget * SAME);
  const to = (step, which) => step && button(`${which}, ${digits(step.cost)} buys ${step.row.name}: ${digits(step.row.value)}`,
    () => setBudget(step.cost));
  fill("#steps", to(steps[at - 1], "cheaper"), to(steps[at + 1], "dearer"));
}

function setBudget(budget) {
  state.budget = budget;
  state.looked = null;
  render();
}

function setAxis(axis) {
  const winner = view.choice?.row;
  state.axis = axis;
  state.budget = winner ? winner.costs[axis] : null;
  render();
}

// ------------------------------------------------------------ the curves

const INK = "#1c1b22";
const layouts = {
  font: { family: 'system-ui, "DejaVu Sans", sans-serif', size: 12, color: INK },
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  showlegend: false,
  hovermode: "closest",
  hoverlabel: { bgcolor: "#fff", bordercolor: INK, align: "left", font: { size: 12 } },
  dragmode: matchMedia("(pointer: fine)").matches ? "zoom" : false,
};
const lines = { showline: true, linecolor: INK, gridcolor: "#ececf0", zeroline: false, ticks: "outside", tickcolor: INK };
const quiet = { displayModeBar: false, responsive: true };

const lookOf = (cell) => valueOf(state.colour, cell) ?? { color: "#777", symbol: "circle", mark: "●" };

/** What rows of one curve have in common: all but their steps and their guidance. */
const curveOf = (row) =>
  JSON.stringify(several.filter((name) => !["steps", "guidance"].includes(name)).map((name) => row.settings[name]));

/** Rows of a curve, of each number of steps the best, or the one that is given. */
function along(rows, through) {
  const best = new Map();
  for (const row of rows) {
    const { steps } = row.settings;
    if (!best.has(steps) || sign() * row.value < sign() * best.get(steps).value) best.set(steps, row);
  }
  if (through) best.set(through.settings.steps, through);
  return [...best.values()].sort((one, other) => cost(one) - cost(other));
}

const bars = (rows) => ({
  type: "data", symmetric: false, thickness: 1.5, width: 4,
  array: rows.map((row) => row.hi - row.value), arrayminus: rows.map((row) => row.value - row.lo),
});

function hoverText(row) {
  const label = data.metrics[state.metric].label;
  const costs = Object.keys(data.axes).filter((axis) => row.costs[axis] != null)
    .map((axis) => `${plain(axis)} ${digits(row.costs[axis])}`);
  const value = row.value == null ? `failed: ${escaped(row.status)}` : interval(row);
  return `<b>${escaped(row.name)}</b><br>${escaped(label)} ${value}<br>${costs.join("<br>")}`;
}

/** A logarithmic axis with plain numbers at 1, 2, 5 of each decade. */
function logAxis([low, high]) {
  const decades = Array.from({ length: 40 }, (_, at) => at - 20);
  const places = decades.flatMap((power) => [1, 2, 5].map((first) => Number(`${first}e${power}`)))
    .filter((place) => place >= low && place <= high);
  return { ...lines, type: "log", range: [low, high].map(Math.log10), tickvals: places, ticktext: places.map(String) };
}

function points(rows, marker, more) {
  return { type: "scatter", mode: "markers", x: rows.map(cost), y: rows.map((row) => row.value), marker, hoverinfo: "skip", ...more };
}

const HOVERED = 0; // its place among the traces

function tracesOf() {
  const sound = view.rows.filter(isSound);
  const failed = view.rows.filter((row) => !isSound(row));
  const keys = [...new Set(sound.map(curveOf))];
  const curves = keys.map((key) => sound.filter((row) => curveOf(row) === key));
  const limit = state.budget * SAME;
  const { steps, choice, looked, pinned } = view;
  const top = sound.length ? Math.max(...sound.map((row) => row.value)) : 1;
  const letters = [["A", pinned], ["B", looked]].filter(([, row]) => row && isSound(row) && isShown(row));
  return [
    points([], {}, { mode: "lines", error_y: bars([]), line: { width: 2.5 } }),
    {
      type: "scatter", mode: "lines", hoverinfo: "skip", name: "envelope",
      x: [...steps.map((step) => step.cost), view.range[1]],
      y: [...steps, steps.at(-1)].map((step) => step?.row.value),
      line: { shape: "hv", width: 6, color: "#d6d6d6" },
    },
    ...curves.map((rows) => along(rows)).filter((rows) => rows.length > 1).map((rows) =>
      points(rows, {}, { mode: "lines", opacity: 0.35, line: { width: 1.1, color: lookOf(rows[0]).color } })),
    points(sound, {
      color: sound.map((row) => lookOf(row).color),
      symbol: sound.map((row) => lookOf(row).symbol),
      opacity: sound.map((row) => (cost(row) <= limit ? 0.95 : 0.28)),
      size: 8, line: { width: 0.7, color: "#fff" },
    }, { customdata: sound.map((row) => row.cell), hoverinfo: "text", text: sound.map(hoverText), name: "cells" }),
    points(failed, { symbol: "x-thin", size: 8, line: { width: 2, color: failed.map((row) => lookOf(row).color) } },
      { y: failed.map(() => top), customdata: failed.map((row) => row.cell), hoverinfo: "text", text: failed.map(hoverText), name: "failed" }),
    points(choice?.tied ?? [], { symbol: "circle-open", size: 15, color: INK, line: { width: 1.3 } }, { name: "tied" }),
    points(choice ? [choice.row] : [], { symbol: "circle-open", size: 19, color: INK, line: { width: 3 } },
      { error_y: { ...bars(choice ? [choice.row] : []), color: INK }, name: "best" }),
    points(letters.map(([, row]) => row), {}, {
      mode: "text", text: letters.map(([letter]) => `<b>${letter}</b>`), textfont: { size: 15, color: INK },
      textposition: letters.map(([letter]) => (letter === "A" ? "bottom left" : "top right")), name: "letters",
    }),
  ];
}

function layoutOf() {
  const sound = view.rows.filter(isSound);
  const ends = [Math.min(...sound.map((row) => row.lo)), Math.max(...sound.map((row) => row.hi))];
  const values = sound.map((row) => row.value);
  const logarithmic = ends[0] > 0 && Math.max(...values) > 5 * Math.min(...values);
  const narrow = innerWidth < 1000;
  return {
    ...layouts,
    margin: { l: narrow ? 58 : 68, r: narrow ? 10 : 16, t: 8, b: narrow ? 46 : 50 },
    xaxis: { ...logAxis(view.range),
      title: { text: data.axes[state.axis].replace("\n", " "), font: { size: narrow ? 11 : 13 } } },
    yaxis: { ...(logarithmic ? logAxis([ends[0] * 0.95, ends[1] * 1.05]) : lines),
      title: { text: data.metrics[state.metric].label, font: { size: narrow ? 11 : 13 } } },
    shapes: [
      { type: "rect", xref: "x", yref: "paper", x0: state.budget, x1: view.range[1], y0: 0, y1: 1, layer: "below",
        fillcolor: "rgba(28,27,34,0.05)", line: { width: 0 } },
      { type: "line", xref: "x", yref: "paper", x0: state.budget, x1: state.budget, y0: 0, y1: 1, line: { color: "#41049d", width: 1.5 } },
    ].filter((shape) => shape.x0 > 0 && shape.x0 < view.range[1]),
  };
}

function showCurves() {
  if (!window.Plotly) return;
  Plotly.react("chart", tracesOf(), layoutOf(), quiet);
  const floors = data.floors.filter((floor) => floor.metric === state.metric);
  const kinds = { real: "real images", reconstruction: "images through the autoencoder" };
  fill("#key", make("span", {}, "Thick ring: the best within the budget. Thin rings: not told apart from it. Faint: too dear. Grey: the envelope. A is pinned, B is looked at. "),
    ...floors.map((floor) => make("span", {}, `For comparison, ${kinds[floor.kind] ?? floor.kind}: ${interval(floor)}. `)));
  read(view.looked);
}

function read(row) {
  fill("#reading", row ? `${row.name}: ${row.value == null ? row.status : interval(row)}, ${plain(state.axis)} ${digits(cost(row))}` : "");
}

function hover(row) {
  const rows = row ? along(view.rows.filter((own) => isSound(own) && curveOf(own) === curveOf(row)), row) : [];
  const { color } = row ? lookOf(row) : {};
  Plotly.restyle("chart", { x: [rows.map(cost)], y: [rows.map((own) => own.value)],
    error_y: [{ ...bars(rows), color }], "line.color": color }, [HOVERED]);
  read(row ?? view.looked);
}

/** Look at the next cell along the cost, so that the chart needs no pointer. */
function walk(by) {
  const rising = view.rows.filter(isSound).sort((one, other) => cost(one) - cost(other));
  const at = rising.findIndex((row) => row.cell === view.looked?.cell);
  const next = rising[Math.min(Math.max(at + by, 0), rising.length - 1)];
  if (next) lookAt(next.cell);
}

function lookAt(cell) {
  state.looked = cell;
  render();
}

function pin(cell) {
  state.pinned = cell;
  render();
}

// ------------------------------------------------------------ settings: colours and filters

function chips(setting) {
  const { values } = data.settings[setting];
  const hidden = state.hidden[setting] ?? new Set();
  return values.map(({ value, label, mark, color }) => {
    const box = make("input", { type: "checkbox", checked: !hidden.has(value), value: String(value), name: setting });
    box.onchange = () => {
      if (box.checked) hidden.delete(value);
      else hidden.add(value);
      render();
    };
    const sample = setting === state.colour ? make("span", { style: `color: ${color}` }, mark) : null;
    return make("label", {}, box, sample, label);
  });
}

function showChips() {
  fill("#legend", ...chips(state.colour));
  fill("#filters div", ...several.filter((name) => name !== state.colour).map((name) => {
    const all = button("none", () => {
      const { values } = data.settings[name];
      state.hidden[name] = new Set(state.hidden[name].size ? [] : values.map(({ value }) => value));
      showChips();
      render();
    });
    if (state.hidden[name].size) all.textContent = "all";
    return make("fieldset", { name }, make("legend", {}, `${plain(name)} `), make("div", { className: "chips" }, ...chips(name), all));
  }));
}

/** Show only cells whose settings are among the wanted ones. */
function only(wanted) {
  for (const name of several) {
    const values = data.settings[name].values.map(({ value }) => value);
    state.hidden[name] = new Set(wanted[name] ? values.filter((value) => !wanted[name].includes(value)) : []);
  }
  showChips();
  render();
}

// ------------------------------------------------------------ the table of configurations

function showCells() {
  const { choice, rows } = view;
  const dear = rows.filter((row) => isSound(row) && cost(row) > state.budget * SAME)
    .sort((one, other) => sign() * (one.value - other.value));
  const kinds = [["best", "◉", choice ? [choice.row] : []], ["tied", "○", choice?.tied ?? []],
    ["behind", "", choice?.behind ?? []], ["dear", "", dear], ["failed", "✕", rows.filter((row) => !isSound(row))]];
  fill("#count", `${rows.length} of ${measured[state.metric].length}`);
  const titles = { best: "the best within the budget", tied: "not told apart from it", behind: "behind", dear: "costs more than the budget", failed: "failed" };
  fill("#cells tbody", ...kinds.flatMap(([kind, mark, own]) => own.map((row) => {
    const line = make("tr", { className: kind },
      make("td", { title: titles[kind] }, mark),
      make("td", {}, button(row.name, () => lookAt(row.cell), { ariaPressed: String(row === view.looked) })),
      make("td", { className: "number" }, digits(row.value), make("small", {}, row.value == null ? row.status : `[${digits(row.lo)}, ${digits(row.hi)}]`)),
      make("td", { className: "number" }, digits(cost(row))),
      make("td", {}, button("A", () => pin(row.cell), { className: "pin", title: "pin it as A", ariaPressed: String(row === view.pinned), ariaLabel: `pin ${row.name} as A` })));
    line.dataset.cell = row.cell;
    return line;
  })));
}

// ------------------------------------------------------------ images of two cells

function showImages() {
  const { captions, cells: images } = data.images;
  const two = [["A", view.pinned], ["B", view.looked]];
  const sections = { A: "pinned", B: state.looked == null ? "the best within the budget" : "looked at" };
  fill("#pair", ...two.map(([letter, row]) => make("p", {}, make("span", { className: "letter" }, letter), " ",
    row ? make("b", {}, row.name) : "nothing", row ? ` ${interval(row)} ` : "", make("span", { className: "note" }, sections[letter]), " ",
    letter === "B" && row ? button("Pin as A", () => pin(row.cell)) : null,
    letter === "B" && state.looked != null ? button("Back to the best", () => lookAt(null)) : null)));
  fill("#difference", difference(view.pinned, view.looked));
  const has = two.some(([, row]) => row && images[row.cell]);
  fill("#pictures", ...(has ? captions : []).map((caption, prompt) => make("figure", {},
    make("div", {}, ...two.map(([letter, row]) => {
      const source = row && images[row.cell]?.[prompt];
      return source ? make("img", { src: source, alt: `${letter}: ${caption}` }) : make("span", {}, "no image kept");
    })),
    make("figcaption", {}, caption))));
}

function difference(one, other) {
  if (!one || !other || one === other || !isSound(one) || !isSound(other)) return "";
  const [a, b] = [one, other].map(drawsOf);
  const value = b[0] - a[0];
  const half = doubt(b, a);
  const better = sign() * value < 0 ? "B is better" : "A is better";
  const text = Math.abs(value) > half ? better : "not told apart";
  return `B − A: ${digits(value)} [${digits(value - half)}, ${digits(value + half)}], ${text}.`;
}

// ------------------------------------------------------------ levers, claims, the study

function showLevers() {
  const rows = data.levers.filter((row) => row.axis === state.axis && row.metric === state.metric).reverse();
  $("#levers").hidden = !rows.length;
  if (!window.Plotly || !rows.length) return;
  const helps = rows.map((row) => row.lo > 0);
  const names = rows.map((row) => `${plain(row.lever)} ${row.without}`);
  $("#gains").style.height = `${70 + 19 * rows.length}px`;
  Plotly.react("gains", [{
    type: "scatter", mode: "markers", y: names, x: rows.map((row) => row.gain),
    error_x: { type: "data", symmetric: false, thickness: 1.5, width: 0, color: INK,
      array: rows.map((row) => row.hi - row.gain), arrayminus: rows.map((row) => row.gain - row.lo) },
    marker: { size: 9, color: INK, symbol: helps.map((yes) => (yes ? "circle" : "circle-open")), opacity: 1 },
    hoverinfo: "text", text: rows.map((row, at) => `${names[at]}: ${digits(row.gain)} [${digits(row.lo)}, ${digits(row.hi)}]`),
  }], {
    ...layouts, dragmode: false, margin: { l: 10, r: 10, t: 4, b: 44 },
    xaxis: { ...lines, zeroline: true, zerolinecolor: INK, fixedrange: true, title: { text: "gain (log ratio)", font: { size: 11 } } },
    yaxis: { automargin: true, fixedrange: true, tickfont: { size: 11 }, showgrid: false },
  }, quiet);
}

const VERDICTS = { holds: "✔", "does not hold": "✘", undecided: "?", "not run": "–" };
const kindOf = (claim) => Object.keys(VERDICTS).find((kind) => claim.verdict.startsWith(kind));

function showClaims() {
  $("#claims").hidden = !data.claims.length;
  const shown = new Set(["holds", "does not hold", "undecided"]);
  const list = () => fill("#claims ul", ...data.claims.filter((claim) => shown.has(kindOf(claim))).map(claimItem));
  fill("#verdicts", ...Object.entries(VERDICTS).map(([kind, mark]) => {
    const count = data.claims.filter((claim) => kindOf(claim) === kind).length;
    const box = make("input", { type: "checkbox", checked: shown.has(kind), name: "verdict", value: kind });
    box.onchange = () => {
      if (box.checked) shown.add(kind);
      else shown.delete(kind);
      list();
    };
    return make("label", {}, box, `${mark} ${count} ${kind === "holds" && count !== 1 ? "hold" : kind}`);
  }));
  list();
}

function claimItem(claim) {
  const number = claim.estimate == null ? "" : ` ${digits(claim.estimate)} [${digits(claim.lo)}, ${digits(claim.hi)}]`;
  const wanted = Object.entries(claim.settings);
  const has = data.cells.some((cell) => wanted.every(([name, values]) => values.includes(cell.settings[name])));
  const show = has && button("Show its cells", () => {
    only(claim.settings);
    $("#curves").scrollIntoView();
  });
  return make("li", {}, make("details", {},
    make("summary", {}, make("span", { title: claim.verdict }, VERDICTS[kindOf(claim)]), make("span", {}, claim.sentence)),
    make("p", {}, make("b", {}, claim.verdict), `:${number}`, ` (${claim.statistic})`),
    claim.reason || claim.note ? make("p", {}, [claim.reason, claim.note].filter(Boolean).join("; ")) : null,
    make("p", { className: "note" }, `${claim.source}. Figure ${claim.figure}. `, show || null)));
}

function showStudy() {
  const { study, cost: run } = data;
  $("#run").hidden = !study && !run;
  if (study) {
    document.title = `Explorer: study ${study.name}`;
    fill("#study", `Study ${study.name}, seed ${study.seed}`);
    fill("#sections", ...Object.entries(study.sections).map(([name, text]) =>
      make("details", {}, make("summary", {}, plain(name)), make("pre", {}, text))));
  }
  if (run) {
    const row = (tag, own) => make("tr", {}, ...own.map((x, at) => make(tag, { className: at ? "number" : "" }, String(x))));
    fill("#cost", make("details", {}, make("summary", {}, `${run.title}: ${run.total}`),
      make("table", {}, make("thead", {}, row("th", run.columns)), make("tbody", {}, ...run.rows.map((own) => row("td", own))))));
  }
  const alike = Object.entries(data.settings).filter(([name, { values }]) => values.length === 1 && !several.includes(name))
    .map(([name, { values }]) => `${plain(name)} ${values[0].label}`);
  const counts = [...new Set(measured[state.metric].map((row) => row.n).filter(Boolean))];
  fill("#about", `Intervals are ${100 * data.confidence} %, of ${counts.join(" or ")} images a configuration. `,
    alike.length ? `All configurations have ${alike.join(", ")}. ` : null, "Drawn with plotly.js (MIT licence).");
}

// ------------------------------------------------------------ begin

async function library() {
  const packed = Uint8Array.from(atob($("#library").textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  document.head.append(make("script", { textContent: await new Response(stream).text() }));
}

function listen() {
  const options = (names, label) => names.map((name) => make("option", { value: name }, label(name)));
  fill("#metric", ...options(Object.keys(data.metrics), (name) => data.metrics[name].label));
  fill("#axis", ...options(Object.keys(data.axes), plain));
  fill("#colour", ...options(several, plain));
  $("#metric").onchange = (event) => { state.metric = event.target.value; render(); };
  $("#axis").onchange = (event) => setAxis(event.target.value);
  $("#colour").onchange = (event) => { state.colour = event.target.value; showChips(); render(); };
  $("#slider").oninput = (event) => setBudget(Number((10 ** event.target.value).toPrecision(3)));
  $("#budget").oninput = (event) => { if (event.target.value > 0) setBudget(Number(event.target.value)); };
  $("#question").onsubmit = (event) => event.preventDefault();
  $("#everything").onclick = () => only({});
  $("#chart").onkeydown = (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    if (by) walk(by);
    if (event.key === "Enter" && view.looked) pin(view.looked.cell);
    if (by || event.key === "Enter") event.preventDefault();
  };
  $("#filters").open = innerWidth >= 1000;
}

function listenToChart() {
  const rowAt = (event) => measured[state.metric].find((row) => row.cell === event.points[0].customdata);
  $("#chart").on("plotly_click", (event) => lookAt(rowAt(event).cell));
  $("#chart").on("plotly_hover", (event) => hover(rowAt(event)));
  $("#chart").on("plotly_unhover", () => hover(null));
  addEventListener("beforeprint", () => Plotly.relayout("chart", { width: 690, height: 330 }));
  addEventListener("afterprint", () => Plotly.relayout("chart", { width: null, height: null, autosize: true }));
}

listen();
showChips();
showClaims();
showStudy();
draw();
library().then(() => {
  draw();
  listenToChart();
}, () => fill("#chart", "This browser is too old to draw the curves; everything else works."));
