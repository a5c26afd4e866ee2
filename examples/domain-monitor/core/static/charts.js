// Draws the charts of a page from their tables of figures, so that what is drawn is what is written.
// ui.chart asks for it as a module: it runs once per page, however many charts there are or htmx swaps in.

const DAY = 86400000;
const TONES = { good: "--color-success", warn: "--color-warning", bad: "--color-error", unknown: "--color-muted" };
const POINTS = ["circle", "rect", "triangle", "rectRot", "crossRot", "star", "rectRounded", "cross"];
const SLICES = 8;
const drawn = new Map(); // figure → { chart, of: the text it was drawn from }

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const mixed = (colour, percent) => `color-mix(in oklab, ${colour} ${percent}%, ${css("--color-base-100")})`;

function colour(name) {
  if (name === "others") return mixed(css("--color-muted"), 45);
  if (name in TONES) return css(TONES[name]);
  const own = css(`--chart-${((name - 1) % 8) + 1}`);
  return name > 8 ? mixed(own, 55) : own;
}

// Reading: the head names the series, each row is a label and its figures.
function read(figure) {
  const [head, ...rows] = figure.querySelectorAll("table tr");
  const series = [...head.cells].slice(1).map((cell, place) => ({
    name: cell.textContent.trim(),
    colour: cell.dataset.colour,
    figures: rows.map((row) => value(row.cells[place + 1])),
    said: rows.map((row) => row.cells[place + 1].textContent.trim()),
  }));
  const labels = rows.map((row) => row.cells[0].textContent.trim());
  return { kind: figure.dataset.chart, unit: figure.dataset.unit, labels, series, colours: rows.map((row) => row.cells[0].dataset.colour) };
}

function value(cell) {
  const [from, to] = cell.querySelectorAll("time");
  if (to) return [Date.parse(from.dateTime), Date.parse(to.dateTime) + (to.dateTime.length === 10 ? DAY : 0)]; // a day ends at its end
  const number = cell.querySelector("data");
  return number ? Number(number.value) : null;
}

// A doughnut of many slices tells nothing: the smallest become one.
function fold({ labels, series: [one], colours }) {
  const order = one.figures.map((figure, place) => ({ figure: figure ?? 0, label: labels[place], said: one.said[place], colour: colours[place] }));
  if (order.length <= SLICES) return order;
  const largest = [...order].sort((a, b) => b.figure - a.figure).slice(0, SLICES - 1);
  const rest = order.filter((slice) => !largest.includes(slice));
  const figure = rest.reduce((sum, slice) => sum + slice.figure, 0);
  const said = new Intl.NumberFormat(navigator.languages).format(figure);
  return [...order.filter((slice) => largest.includes(slice)), { figure, said, label: `${rest.length} others`, colour: "others" }];
}

// Drawing: what Chart.js is told for each kind.
function datasets(data) {
  const line = data.kind === "line" || data.kind === "area";
  return data.series.map(({ name, colour: named, figures }, place) => {
    const own = colour(named);
    const fill = data.kind === "area" ? mixed(own, 30) : own;
    const look = { label: name, data: figures, backgroundColor: fill, hoverBackgroundColor: fill, borderColor: own, hoverBorderColor: own };
    if (line) return { ...look, fill: data.kind === "area" && "origin", borderWidth: 2, pointBackgroundColor: own, pointStyle: POINTS[place % 8], pointRadius: figures.length > 40 ? 0 : 3, pointHoverRadius: 4 };
    const edge = css("--color-base-100"); // so that stacked parts do not run into one another
    const bar = { ...look, borderColor: edge, hoverBorderColor: edge, borderWidth: data.kind === "stacked" ? 1 : 0, borderRadius: 2, maxBarThickness: 48 };
    return data.kind === "timeline" ? { ...bar, maxBarThickness: 14, minBarLength: 3, grouped: false, order: -place } : bar; // a later series lies on top
  });
}

function slices(data) {
  const own = data.slices.map((slice) => colour(slice.colour));
  return [{ label: data.series[0].name, data: data.slices.map((slice) => slice.figure), backgroundColor: own, hoverBackgroundColor: own, borderColor: css("--color-base-100"), hoverBorderColor: css("--color-base-100"), borderWidth: 2 }];
}

const shortened = (text) => (text.length > 24 ? `${text.slice(0, 11)}…${text.slice(-11)}` : text);

function axes({ kind, series }) {
  const grid = { color: css("--color-base-300") };
  const ticks = { color: css("--color-muted"), font: { size: 11 } };
  const stacked = kind === "stacked";
  const whole = series.every(({ figures }) => figures.every((figure) => Number.isInteger(figure ?? 0)));
  const labels = { stacked, grid: { display: false }, border: grid, ticks: { ...ticks, maxRotation: 45, callback(at) { return shortened(this.getLabelForValue(at)); } } };
  const amounts = { stacked, grid, border: { display: false }, beginAtZero: kind !== "line", ticks: { ...ticks, maxTicksLimit: 6, ...(whole && { precision: 0 }) } };
  if (kind !== "timeline") return { x: labels, y: amounts };
  const ends = series.flatMap(({ figures }) => figures.flat().filter((end) => end !== null));
  const span = { min: Math.min(...ends), max: Math.max(...ends), afterBuildTicks: days, ticks: { ...ticks, autoSkip: false, maxRotation: 0, callback: (at) => new Date(at).toISOString().slice(0, 10) } };
  return { x: { ...span, grid, border: { display: false } }, y: { ...labels, ticks: { ...labels.ticks, autoSkip: false } } };
}

// The ticks of a timeline stand on days that people name: every so many days, or the first of every so many months.
function days(scale) {
  const apart = ((scale.max - scale.min) / DAY) * (90 / Math.max(100, scale.chart.width - 150)); // beside the labels
  const step = [1, 2, 7, 14].find((length) => length >= apart);
  const months = [1, 2, 3, 6, 12, 24, 60].find((length) => length * 30 >= apart) ?? 120;
  const start = new Date(scale.min);
  const place = (count) => (step ? Math.floor(scale.min / DAY + count * step) * DAY : Date.UTC(start.getUTCFullYear(), Math.floor(start.getUTCMonth() / months) * months + count * months, 1));
  scale.ticks = [];
  for (let count = 0; place(count) <= scale.max; count++) if (place(count) >= scale.min) scale.ticks.push({ value: place(count) });
}

const now = {
  id: "now",
  afterDatasetsDraw({ ctx, chartArea, scales: { x } }) {
    const at = x.getPixelForValue(Date.now());
    if (at < chartArea.left || at > chartArea.right) return;
    ctx.save();
    Object.assign(ctx, { strokeStyle: css("--color-base-content"), lineWidth: 1 });
    ctx.setLineDash([4, 3]);
    ctx.beginPath();
    ctx.moveTo(at, chartArea.top);
    ctx.lineTo(at, chartArea.bottom);
    ctx.stroke();
    ctx.restore();
  },
};

function options(data, width) {
  const round = data.kind === "doughnut";
  const text = css("--color-base-content");
  const said = ({ dataset, datasetIndex, dataIndex }) => {
    const figure = round ? data.slices[dataIndex] : { said: data.series[datasetIndex].said[dataIndex] };
    return ` ${round ? figure.label : dataset.label}: ${figure.said}${data.unit && ` ${data.unit}`}`;
  };
  return {
    animation: false,
    maintainAspectRatio: false,
    locale: navigator.language,
    indexAxis: data.kind === "timeline" ? "y" : "x",
    interaction: round ? { mode: "nearest", intersect: true } : { mode: "index", axis: data.kind === "timeline" ? "y" : "x", intersect: false },
    scales: round ? {} : axes(data),
    plugins: {
      legend: {
        display: round || data.series.length > 1,
        reverse: data.kind === "timeline",
        position: round && width > 380 ? "right" : "bottom",
        labels: { color: text, font: { size: 12 }, usePointStyle: true, pointStyleWidth: 10, boxHeight: 7, padding: 12 },
      },
      tooltip: { backgroundColor: text, titleColor: css("--color-base-100"), bodyColor: css("--color-base-100"), usePointStyle: true, boxPadding: 4, callbacks: { label: said, ...(round && { title: () => "" }) } },
    },
  };
}

function draw(figure) {
  const of = figure.querySelector("table").textContent;
  if (drawn.get(figure)?.of === of) return;
  drawn.get(figure)?.chart.destroy();
  const data = read(figure);
  const plot = figure.querySelector(".plot");
  const round = data.kind === "doughnut";
  if (round) data.slices = fold(data);
  if (data.kind === "timeline") plot.style.height = `${Math.max(5, data.labels.length + 2) * 26 + 30}px`;
  const type = { line: "line", area: "line", doughnut: "doughnut" }[data.kind] ?? "bar";
  const chart = new globalThis.Chart(plot.querySelector("canvas"), {
    type,
    data: { labels: round ? data.slices.map((slice) => slice.label) : data.labels, datasets: round ? slices(data) : datasets(data) },
    options: options(data, plot.clientWidth),
    plugins: data.kind === "timeline" ? [now] : [],
  });
  drawn.set(figure, { chart, of });
}

function drawAll() {
  for (const [figure, { chart }] of drawn) {
    if (figure.isConnected) continue;
    chart.destroy();
    drawn.delete(figure);
  }
  document.querySelectorAll("figure[data-chart]").forEach(draw);
}

function redraw() {
  for (const { chart } of drawn.values()) chart.destroy();
  drawn.clear();
  drawAll();
}

try {
  await import(document.querySelector("figure[data-library]").dataset.library);
  globalThis.Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  drawAll();
  document.addEventListener("htmx:after:process", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
} catch (error) {
  console.error(error);
  for (const figures of document.querySelectorAll("figure[data-chart] details")) figures.open = true;
}
