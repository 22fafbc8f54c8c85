"use strict";
/* Draws the plots and moves the deadline. Every number was found and printed before: this only looks
   up what stands at the nearest deadline. */
(() => {
  const report = JSON.parse(document.getElementById("report").textContent);
  const root = document.documentElement;
  const night = matchMedia("(prefers-color-scheme: dark)");
  const views = new Map();
  const TENTHOUSANDTHS = 10000;
  const STEPS = 10000;

  // Plots.

  /** Paper is light, whatever the screen is. */
  const themeName = () =>
    "printing" in root.dataset ? "light" : root.dataset.theme || (night.matches ? "dark" : "light");

  /** What one figure draws now: its chart, with the rows of the chosen deadline. */
  function drawing(figure) {
    const { plot } = figure.dataset;
    const section = sectionOf(figure);
    const name = plot === "quality-deadline" && section.scale === "linear" ? `${plot}-linear` : plot;
    return {
      spec: section.run.specs[name],
      data: { ...section.run.data, ...rowsAt(section.run, section.index) },
      deadline: section.run.at[section.index],
    };
  }

  const quality = (v) => (v === null ? null : v / TENTHOUSANDTHS);

  /** The rows that change with the deadline. */
  function rowsAt(run, index) {
    const frame = run.frames[index];
    const values = run.rounds[index];
    if (run.names) {
      return {
        levels: frame.levels,
        strips: run.names.flatMap((name, k) => values[k].map((v, round) => (
          { run: name, round, lane: round / values[k].length, value: quality(v) }))),
      };
    }
    return {
      rounds: values.map((v, round) => ({ round, value: quality(v) })),
      levels: [frame.levels],
      loss: frame.loss.map(([share], order) => ({ part: run.losses[order], share, order })),
    };
  }

  /** A chart with its rows in it. */
  function whole({ spec, data, deadline }, changes) {
    const params = (spec.params || []).map((p) => (p.name === "deadline" ? { ...p, value: deadline } : p));
    return { ...spec, params, datasets: data, ...changes };
  }

  async function draw(figure) {
    const canvas = figure.querySelector(".canvas");
    const spec = whole(drawing(figure), { title: undefined });
    const { view } = await vegaEmbed(canvas, spec, {
      config: report.themes[themeName()],
      renderer: "svg",
      actions: false,
      tooltip: { theme: themeName() },
    });
    const old = views.get(figure);
    if (old) old.finalize();
    views.set(figure, view);
    align(sectionOf(figure), figure);
  }

  async function save(figure, format) {
    const spec = whole(drawing(figure), { width: 720 });
    const result = await vegaEmbed(document.createElement("div"), spec, {
      config: report.themes.saved,
      renderer: "canvas",
      actions: false,
    });
    const link = document.createElement("a");
    link.href = await result.view.toImageURL(format, 2);
    link.download = `${sectionOf(figure).run.name}-${figure.dataset.plot}.${format}`;
    link.click();
    result.finalize();
  }

  // The deadline.

  const chosen = (run, id) => ({ run, index: run.start, scale: "log", element: document.getElementById(id) });
  const byName = Object.fromEntries(report.runs.map((run, r) => [r, chosen(run, `run-${r}`)]));
  if (report.comparison) byName.all = chosen(report.comparison, "comparison");
  const sections = Object.values(byName);

  const sectionOf = (figure) => byName[figure.dataset.run];
  const figuresOf = (section) => section.element.querySelectorAll(".plot");
  const find = (section, selector) => section.element.querySelector(selector);

  /** Where a deadline stands on the axis, from 0 to 1, and back. */
  function axis(section) {
    const { at } = section.run;
    const log = section.scale === "log";
    const bend = log ? Math.log : (t) => t;
    const low = log ? bend(at[0]) : 0;
    const span = bend(at[at.length - 1]) - low || 1;
    return { place: (t) => (bend(t) - low) / span, bend, low, span };
  }

  /** The deadline nearest to a place on the axis. */
  function nearest(section, place) {
    const { place: placeOf } = axis(section);
    let best = 0;
    section.run.at.forEach((t, k) => {
      if (Math.abs(placeOf(t) - place) < Math.abs(placeOf(section.run.at[best]) - place)) best = k;
    });
    return best;
  }

  function move(section, index) {
    const chosen = Math.max(0, Math.min(section.run.at.length - 1, index));
    if (chosen === section.index) return place(section);
    section.index = chosen;
    say(section);
    const rows = rowsAt(section.run, chosen);
    for (const figure of figuresOf(section)) {
      const view = views.get(figure);
      if (view) refresh(view, figure.dataset.plot, section.run.at[chosen], rows);
    }
  }

  function refresh(view, plot, deadline, rows) {
    if (plot === "forecast") return;
    if (plot === "rounds") view.data("rounds", rows.rounds).data("levels", rows.levels);
    else if (plot === "strips") view.data("strips", rows.strips).data("levels", rows.levels);
    else if (plot === "loss") view.data("loss", rows.loss);
    else view.signal("deadline", deadline);
    view.runAsync();
  }

  /** Put the slider where the deadline is. */
  function place(section) {
    const slider = find(section, "input[type=range]");
    slider.value = Math.round(axis(section).place(section.run.at[section.index]) * STEPS);
    slider.setAttribute("aria-valuetext", section.run.frames[section.index].readout);
  }

  /** Write everything that is said at the chosen deadline. */
  function say(section) {
    const frame = section.run.frames[section.index];
    place(section);
    const readout = find(section, ".readout");
    readout.textContent = frame.readout;
    readout.dataset.ns = frame.ns;
    for (const at of section.element.querySelectorAll(".at")) at.textContent = frame.readout;
    for (const jump of section.element.querySelectorAll("[data-jump]")) {
      jump.setAttribute("aria-pressed", String(Number(jump.dataset.jump) === section.index));
    }
    if (section.run.names) sayAbreast(section, frame);
    else sayAlone(section, frame);
  }

  /** What is said of several runs. */
  function sayAbreast(section, frame) {
    section.element.querySelectorAll("[data-cell]").forEach((cell, k) => {
      const [text, note, difference, range, verdict, wayOut] = frame.cells[k];
      cell.querySelector("b").textContent = text;
      cell.querySelector(".note").textContent = note;
      cell.querySelector(".difference").hidden = difference === "";
      cell.querySelector(".words").textContent = difference;
      const badge = cell.querySelector(".badge");
      badge.textContent = verdict;
      badge.className = `badge ${verdict.replace(" ", "-")}`;
      cell.querySelector(".ends").textContent = range || wayOut;
    });
  }

  /** What is said of one run. */
  function sayAlone(section, frame) {
    emphasise(find(section, ".sentence"), frame.sentence, frame.key);
    const tiles = section.element.querySelectorAll(".tiles > div");
    frame.tiles.forEach(([text, note, hint], k) => {
      tiles[k].querySelector("b").textContent = text;
      const small = tiles[k].querySelector(".note");
      small.textContent = note;
      small.title = hint;
      small.classList.toggle("hint", hint !== "");
    });
    for (const line of section.element.querySelectorAll("[data-loss]")) {
      const text = frame.loss[line.dataset.loss][1];
      line.hidden = text === "";
      line.querySelector("b").textContent = text;
    }
  }

  function emphasise(paragraph, sentence, key) {
    const at = sentence.indexOf(key);
    if (at < 0) return paragraph.replaceChildren(sentence);
    const strong = document.createElement("strong");
    strong.textContent = key;
    return paragraph.replaceChildren(sentence.slice(0, at), strong, sentence.slice(at + key.length));
  }

  /** Lay the slider along the plot's own axis. */
  function align(section, figure) {
    const view = views.get(figure);
    if (figure.dataset.plot !== mainPlot(section) || !view) return;
    const track = find(section, ".track");
    track.style.setProperty("--left", `${left(view)}px`);
    track.style.setProperty("--width", `${view.signal("width")}px`);
  }

  const mainPlot = (section) => (section.run.names ? "comparison" : "quality-deadline");

  const left = (view) => view.origin()[0] + view.padding().left;

  /** The deadline under a pointer. */
  function under(figure, section, event) {
    const view = views.get(figure);
    const x = event.clientX - figure.querySelector("svg").getBoundingClientRect().left - left(view);
    const t = view.scale("x").invert(x);
    return nearest(section, axis(section).place(Math.max(t, Number.MIN_VALUE)));
  }

  function listenToDrags(figure, section) {
    const canvas = figure.querySelector(".canvas");
    const follow = (event) => views.has(figure) && move(section, under(figure, section, event));
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      follow(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) follow(event);
    });
  }

  const DRAGGED = ["quality-deadline", "latency", "comparison", "latencies"];
  const KEYS = {
    ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1,
    PageUp: 10, PageDown: -10, Home: -Infinity, End: Infinity,
  };

  function listen(section) {
    const slider = find(section, "input[type=range]");
    slider.addEventListener("input", () => move(section, nearest(section, slider.value / STEPS)));
    slider.addEventListener("change", () => place(section));
    slider.addEventListener("keydown", (event) => {
      if (!(event.key in KEYS)) return;
      event.preventDefault();
      move(section, section.index + KEYS[event.key]);
    });
    for (const jump of section.element.querySelectorAll("[data-jump]")) {
      jump.addEventListener("click", () => move(section, Number(jump.dataset.jump)));
    }
    const scales = section.element.querySelectorAll("[data-scale]");
    for (const button of scales) {
      button.addEventListener("click", () => {
        section.scale = button.dataset.scale;
        for (const one of scales) one.setAttribute("aria-pressed", String(one === button));
        place(section);
        draw(find(section, "[data-plot=quality-deadline]"));
      });
    }
    for (const figure of figuresOf(section)) {
      if (DRAGGED.includes(figure.dataset.plot)) listenToDrags(figure, section);
    }
  }

  // The page.

  const figures = [...document.querySelectorAll(".plot")];
  const folds = [...document.querySelectorAll(".fold, .doubts")];
  const isSeen = (figure) => !figure.closest("details:not([open])");
  const drawAll = () => Promise.all(figures.filter(isSeen).map(draw));

  function showTheme() {
    const button = document.getElementById("theme");
    const dark = themeName() === "dark";
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-pressed", String(dark));
    return drawAll();
  }

  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = themeName() === "dark" ? "light" : "dark";
    showTheme();
  });
  night.addEventListener("change", showTheme);
  addEventListener("beforeprint", () => {
    root.dataset.printing = "true";
    for (const fold of folds.filter((one) => !one.open)) {
      fold.open = true;
      fold.dataset.unfolded = "true";
    }
    drawAll(); // done when this returns: nothing in it waits for more than a promise
  });
  addEventListener("afterprint", () => {
    delete root.dataset.printing;
    for (const fold of folds.filter((one) => "unfolded" in one.dataset)) {
      fold.open = false;
      delete fold.dataset.unfolded;
    }
    drawAll();
  });
  addEventListener("resize", () => requestAnimationFrame(() => {
    for (const section of sections) align(section, find(section, `[data-plot=${mainPlot(section)}]`));
  }));
  for (const button of document.querySelectorAll("[data-save]")) {
    button.addEventListener("click", () => save(button.closest(".plot"), button.dataset.save));
  }
  for (const fold of folds) {
    fold.addEventListener("toggle", () => fold.querySelectorAll(".plot").forEach((one) => fold.open && draw(one)));
  }
  sections.forEach((section) => { say(section); listen(section); });
  showTheme().then(() => { root.dataset.drawn = "true"; });
})();
