// Draws the charts of a page and saves its files. What is drawn is in the page as
// JSON, in the form that chart_data.cc writes; this file knows no strategy, no
// counter and no study.
"use strict";

// The colours of Okabe and Ito (Color Universal Design, 2008), which people who
// see few colours can tell apart. From the ninth series on bars are hatched and
// lines dashed.
const kColours = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9",
  "#D55E00", "#B8A800", "#8C8C8C"];
const kPoints = ["circle", "rect", "triangle", "rectRot", "star", "cross",
  "crossRot", "dash"];

function parsed(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

function colourOf(i) {
  return kColours[i % kColours.length];
}

function pointOf(i) {
  return kPoints[(i + 3 * Math.floor(i / kColours.length)) % kPoints.length];
}

function dashOf(i) {
  return [[], [6, 3], [2, 2], [8, 3, 2, 3]][Math.floor(i / kColours.length) % 4];
}

// A fill that differs for each series, also where the colours begin anew.
function fillOf(i) {
  const round = Math.floor(i / kColours.length);
  if (round === 0) return colourOf(i);
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = colourOf(i);
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = "#ffffff";
  pen.lineWidth = 2;
  pen.beginPath();
  if (round % 2 === 1) {
    pen.moveTo(-2, 10);
    pen.lineTo(10, -2);
  } else {
    pen.moveTo(4, 0);
    pen.lineTo(4, 8);
  }
  pen.stroke();
  return pen.createPattern(tile, "repeat");
}

const kNumber = new Intl.NumberFormat("en-US", {maximumFractionDigits: 4});
const kShort = new Intl.NumberFormat("en-US",
  {notation: "compact", maximumFractionDigits: 2});

function wrapped(text, width = 70) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines[lines.length - 1];
    if (line !== "" && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : line + " " + word;
  }
  return lines.filter((line) => line !== "");
}

// The dots of intervals, which bars from low to high have no room for; and lines
// across the chart, each with its label.
const kExtras = {
  id: "extras",
  afterDatasetsDraw(chart) {
    const data = chart.options.plugins.extras.data;
    if (!data) return;
    const pen = chart.ctx;
    const ink = Chart.defaults.color;
    pen.save();
    if (data.kind === "intervals") {
      data.series.forEach((series, s) => {
        if (!chart.isDatasetVisible(s)) return;
        const bars = chart.getDatasetMeta(s).data;
        for (const point of series.points) {
          const x = chart.scales.x.getPixelForValue(point.y);
          pen.fillStyle = ink;
          pen.beginPath();
          pen.arc(x, bars[point.x].y, 4, 0, 7);
          pen.fill();
        }
      });
    }
    const area = chart.chartArea;
    // Labels stand above the chart, each where the last one leaves room.
    pen.font = "11px sans-serif";
    pen.textAlign = "left";
    let free = area.left;
    for (const mark of data.marks) {
      const x = chart.scales.x.getPixelForValue(mark.x);
      if (!(x >= area.left && x <= area.right)) continue;
      pen.strokeStyle = pen.fillStyle = ink;
      pen.setLineDash([4, 4]);
      pen.beginPath();
      pen.moveTo(x, area.top);
      pen.lineTo(x, area.bottom);
      pen.stroke();
      const width = pen.measureText(mark.label).width;
      const left = Math.min(x - width / 2, area.right - width);
      if (left < free) continue;
      pen.fillText(mark.label, left, area.top - 4);
      free = left + width + 4;
    }
    pen.restore();
  },
};

// A bar for each category: what `value` says of the point there, or none.
function barsOf(data, series, value) {
  const bars = data.categories.map(() => null);
  for (const point of series.points) bars[point.x] = value(point);
  return bars;
}

// The point of a series that Chart.js calls number `index`.
function pointAt(data, series, index) {
  if (data.kind === "lines" || data.kind === "dots") return series.points[index];
  return series.points.find((point) => point.x === index);
}

function total(data, category) {
  return data.series.reduce((sum, series) =>
    sum + (pointAt(data, series, category)?.y ?? 0), 0);
}

// The datasets of Chart.js for `data`; `shares`: in percent of each bar.
function datasetsOf(data, shares) {
  return data.series.map((series, i) => {
    const common = {label: series.name, borderColor: colourOf(i)};
    if (data.kind === "stacked bars") {
      return {...common, backgroundColor: fillOf(i), borderWidth: 0,
        data: barsOf(data, series, (p) => shares
          ? 100 * p.y / (total(data, p.x) || 1) : p.y)};
    }
    if (data.kind === "intervals") {
      return {...common, backgroundColor: colourOf(i) + "99", borderWidth: 1,
        borderSkipped: false, minBarLength: 3,
        grouped: false, data: barsOf(data, series, (p) => [p.low, p.high])};
    }
    const dots = data.kind === "dots";
    return {...common, backgroundColor: colourOf(i), borderDash: dashOf(i),
      showLine: !dots, borderWidth: 2, pointStyle: pointOf(i),
      pointRadius: dots ? 5 : series.points.length > 40 ? 0 : 3, hitRadius: 6,
      data: series.points.map((p) => data.categories.length > 0
        ? {x: p.y, y: data.categories[p.x]} : {x: p.x, y: p.y})};
  });
}

function axisOf(axis, more = {}) {
  return {type: axis.log ? "logarithmic" : "linear",
    title: {display: axis.title !== "", text: axis.title},
    ticks: {callback: (value, i, ticks) => {
      if (!axis.log) return kShort.format(value);
      // A logarithmic axis has too many ticks for all of them to be named.
      const digit = Number(value.toExponential().charAt(0));
      return ticks.length < 12 || digit === 1 || digit === 2 || digit === 5
        ? kShort.format(value) : "";
    }},
    grid: {color: Chart.defaults.borderColor}, ...more};
}

function tooltipLines(data, shares, item) {
  const series = data.series[item.datasetIndex];
  const point = pointAt(data, series, item.dataIndex);
  let line = series.name + ": " + kNumber.format(point.y);
  if (data.kind === "intervals") {
    line += " (" + kNumber.format(point.low) + " to " +
      kNumber.format(point.high) + ")";
  }
  if (data.kind === "stacked bars") {
    const whole = total(data, item.dataIndex);
    if (whole > 0) line += " (" + (100 * point.y / whole).toFixed(1) + "%)";
  }
  return [line, ...wrapped(point.note), ...wrapped(series.help)];
}

function configOf(data, shares) {
  const stacked = data.kind === "stacked bars";
  const bars = stacked || data.kind === "intervals";
  const named = data.categories.length > 0;
  const values = shares
    ? axisOf({title: "% of the bar", log: false}, {stacked, max: 100})
    : axisOf(data.y, {stacked});
  const names = {type: "category", stacked, offset: true, labels: data.categories,
    ticks: {autoSkip: false}, grid: {display: false}};
  return {
    type: bars ? "bar" : "line",
    data: {labels: named ? data.categories : undefined,
      datasets: datasetsOf(data, shares)},
    options: {
      indexAxis: named ? "y" : "x",
      animation: false, responsive: true, maintainAspectRatio: false,
      layout: {padding: {top: data.marks.length > 0 ? 14 : 0}},
      parsing: named && data.kind === "dots" ? {xAxisKey: "x", yAxisKey: "y"}
        : undefined,
      scales: named ? {x: values, y: names}
        : {x: axisOf(data.x), y: axisOf(data.y)},
      plugins: {
        extras: {data},
        legend: {position: "top", align: "start",
          labels: data.kind === "lines" ? {boxWidth: 26, boxHeight: 0}
            : {boxWidth: 14, usePointStyle: !bars}},
        tooltip: {callbacks: {
          title: (items) => named
            ? data.categories[pointAt(data, data.series[items[0].datasetIndex],
              items[0].dataIndex).x]
            : data.x.title + ": " + kNumber.format(items[0].parsed.x),
          label: (item) => tooltipLines(data, shares, item)}}}},
  };
}

function heightOf(data) {
  const legend = 26 * Math.ceil(data.series.length / 6);
  if (data.categories.length === 0) return 380 + legend;
  return 90 + legend + 24 * Math.max(4, data.categories.length);
}

function dress(dark) {
  Chart.defaults.color = dark ? "#e8e8e8" : "#1b1b1b";
  Chart.defaults.borderColor = dark ? "#3b3f46" : "#d0d0d0";
}

// Draws one figure and gives a function that draws it again, after the colours
// have changed.
function draw(figure, data) {
  const box = figure.querySelector(".canvas");
  const canvas = figure.querySelector("canvas");
  const button = figure.querySelector("button");
  box.style.height = heightOf(data) + "px";
  let shares = false;
  let chart = null;
  const again = () => {
    const hidden = chart === null ? []
      : data.series.map((series, i) => !chart.isDatasetVisible(i));
    if (chart !== null) chart.destroy();
    chart = new Chart(canvas, configOf(data, shares));
    hidden.forEach((hide, i) => { if (hide) chart.hide(i); });
  };
  if (button !== null) {
    button.addEventListener("click", () => {
      shares = !shares;
      button.setAttribute("aria-pressed", String(shares));
      again();
    });
  }
  again();
  return again;
}

// The points of a series, of which the page has a list for each number.
function pointsOf(series) {
  return series.x.map((x, i) => ({x, y: series.y[i], low: series.low?.[i],
    high: series.high?.[i], note: series.notes?.[i] ?? ""}));
}

function drawAll() {
  const data = parsed("chart-data");
  for (const chart of data) {
    for (const series of chart.series) series.points = pointsOf(series);
  }
  Chart.register(kExtras);
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dress(dark.matches);
  const redraws = [];
  for (const figure of document.querySelectorAll("figure[data-chart]")) {
    redraws.push(draw(figure, data[Number(figure.dataset.chart)]));
  }
  const redrawIn = (night) => {
    dress(night);
    for (const redraw of redraws) redraw();
  };
  dark.addEventListener("change", () => redrawIn(dark.matches));
  // Paper is light.
  addEventListener("beforeprint", () => redrawIn(false));
  addEventListener("afterprint", () => redrawIn(dark.matches));
}

function saveOn(button, files) {
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([files[button.dataset.file]],
      {type: button.dataset.type}));
    link.download = button.dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  });
}

document.documentElement.classList.add("scripted");
const files = parsed("files");
for (const button of document.querySelectorAll("button[data-file]")) {
  saveOn(button, files);
}
if (typeof Chart !== "undefined") drawAll();
