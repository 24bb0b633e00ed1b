// Keeps the page that the server rendered up to date over /live. What crawled pages say is only ever set as text.
"use strict";

const NONE = "—";
const URL_LIMIT = 2000; // a longer URL was cut by the server and leads nowhere
const POINTS_LIMIT = 1200; // of the chart; then neighbours are joined
const byId = (id) => document.getElementById(id);

// Figures as people read them: the same as in words.py.
const fixed = (value, digits) =>
  value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const number = (value) => value.toLocaleString("en-US");
const rate = (value) => fixed(value, value < 100 ? 1 : 0);
const megabytes = (value) => fixed(value / 1e6, 2);
const seconds = (value) => (value === null ? NONE : value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${fixed(value, 1)} s`);
const left = (value) => (value === null ? NONE : `about ${duration(value)}`);
const turn = (value) => (value === null ? NONE : value >= 0.05 ? `in ${fixed(value, 1)} s` : "now");
const clock = (time) => time.slice(11, 19);
const answer = (page) => (page.error ? page.error.split(":")[0] : String(page.status || NONE));

function size(value) {
  if (value === null) return NONE;
  let unit = "B";
  for (const larger of ["kB", "MB", "GB", "TB"]) {
    if (value < 1000) break;
    value /= 1000;
    unit = larger;
  }
  return unit === "B" ? `${value.toFixed(0)} B` : `${fixed(value, 1)} ${unit}`;
}

function duration(value) {
  const whole = Math.floor(value);
  const part = (unit, rest) => Math.floor((whole % unit) / rest);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${part(3600, 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${part(86400, 3600)} h ${part(3600, 60)} min`;
  return `${number(Math.floor(whole / 86400))} d ${part(86400, 3600)} h`;
}

// Only what changed is written, so that a selection or a screen reader's place is not lost.
function write(element, text, title) {
  if (element.textContent !== text) element.textContent = text;
  if (title !== undefined && element.title !== title) element.title = title;
}

function figure(name, text) {
  for (const element of document.querySelectorAll(`[data-figure="${name}"]`)) write(element, text);
}

// As many rows as items; a new row takes the classes of its cells from the head of the table.
function rows(table, items, named, fill) {
  const body = table.tBodies[0];
  while (body.rows.length > items.length) body.deleteRow(-1);
  items.forEach((item, i) => {
    let row = body.rows[i];
    if (!row) {
      row = body.insertRow();
      for (const head of table.tHead.rows[0].cells) {
        const first = named && !row.cells.length;
        const cell = row.appendChild(document.createElement(first ? "th" : "td"));
        if (first) cell.scope = "row";
        cell.className = head.className;
      }
    }
    fill(row.cells, item);
  });
  table.nextElementSibling.hidden = items.length > 0;
}

function tally(name, counts) {
  const ranked = Object.entries(counts).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  const most = ranked.length ? ranked[0][1] : 0;
  rows(byId(name), ranked, true, ([kind, bar, total], [code, count]) => {
    write(kind, code);
    if (!bar.firstChild) {
      const svg = bar.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
      svg.setAttribute("aria-hidden", "true");
      const rect = svg.appendChild(document.createElementNS(svg.namespaceURI, "rect"));
      rect.setAttribute("height", "100%");
      rect.setAttribute("rx", "2");
    }
    bar.firstChild.firstChild.setAttribute("width", `${Math.max(Math.floor((100 * count) / most), 1)}%`);
    write(total, number(count));
  });
}

function empty(fields) {
  const named = Object.entries(fields).filter(([, field]) => field.empty);
  return Object.fromEntries(named.map(([name, field]) => [`${name}, of ${number(field.items)}`, field.empty]));
}

function hosts(list) {
  write(byId("hosts-shown"), number(list.length));
  rows(byId("hosts"), list, true, (cells, host) => {
    write(cells[0], host.host, host.host);
    write(cells[1], number(host.queued));
    write(cells[2], number(host.done));
    write(cells[3], number(host.errors));
    write(cells[4], `${fixed(host.delay, 2)} s`);
    write(cells[5], `${host.busy}/${host.slots}`);
    write(cells[6], turn(host.next_at));
    write(cells[7], host.reason, host.reason);
  });
}

function recent(list) {
  rows(byId("recent"), list, false, (cells, page) => {
    cells[0].classList.toggle("bad", Boolean(page.error) || page.status >= 400);
    write(cells[0], answer(page), page.error);
    if (!cells[1].firstChild) {
      const title = cells[1].appendChild(document.createElement("bdi"));
      title.dir = "auto";
      title.className = "title";
      const link = cells[1].appendChild(document.createElement("a"));
      link.rel = "noopener noreferrer nofollow";
      link.target = "_blank";
    }
    const [title, link] = cells[1].children;
    write(title, page.title);
    write(link, page.url);
    if (/^https?:\/\//.test(page.url) && page.url.length <= URL_LIMIT) link.href = page.url;
    else link.removeAttribute("href");
    write(cells[2], seconds(page.elapsed));
    write(cells[3], size(page.bytes));
    write(cells[4], clock(page.fetched_at));
  });
}

// The chart: points are [seconds since the start, pages a second, bytes a second].
let points = [];
let cursor = null; // the point under the pointer

function keep(news) {
  for (const point of news) if (!points.length || point[0] > points[points.length - 1][0]) points.push(point);
  if (points.length > POINTS_LIMIT) {
    const joined = [];
    for (let i = 1; i < points.length; i += 2) {
      const [a, b] = [points[i - 1], points[i]];
      joined.push([b[0], (a[1] + b[1]) / 2, (a[2] + b[2]) / 2]);
    }
    points = joined;
  }
}

function ceiling(peak) {
  if (peak <= 1) return 1;
  const ten = 10 ** Math.floor(Math.log10(peak));
  return [1, 2, 5, 10].find((step) => step * ten >= peak) * ten;
}

function draw() {
  const chart = byId("chart");
  const peak = Math.max(0, ...points.map((point) => point[1]));
  const top = ceiling(peak);
  const last = points[points.length - 1];
  const end = last ? last[0] : 0;
  const x = (at) => ((at / end) * 1000).toFixed(0);
  const line = end ? points.map(([at, pages]) => `${x(at)},${(100 - (pages / top) * 100).toFixed(1)}`) : [];
  chart.querySelector(".line").setAttribute("points", line.join(" "));
  chart.querySelector(".area").setAttribute("points", end ? `${x(points[0][0])},100 ${line.join(" ")} 1000,100` : "");
  chart.querySelector(".last").setAttribute("d", end ? `M${line[line.length - 1]}h0` : "");
  chart.querySelector(".cursor").setAttribute("d", cursor && end ? `M${x(cursor[0])} 0V100` : "");
  write(byId("chart-top"), number(top));
  write(byId("chart-half"), number(top / 2));
  write(byId("chart-end"), duration(end));
  write(
    byId("chart-summary"),
    cursor
      ? `at ${duration(cursor[0])}: ${rate(cursor[1])} pages/s, ${megabytes(cursor[2])} MB/s`
      : last ? `latest ${rate(last[1])}, highest ${rate(peak)} pages/s` : "no figures yet",
  );
}

byId("chart").addEventListener("pointermove", (event) => {
  if (!points.length) return;
  const box = event.currentTarget.getBoundingClientRect();
  const at = ((event.clientX - box.left) / box.width) * points[points.length - 1][0];
  cursor = points.find((point) => point[0] >= at) || points[points.length - 1];
  draw();
});
byId("chart").addEventListener("pointerleave", () => {
  cursor = null;
  draw();
});

function show(crawl) {
  const state = byId("state");
  write(state, crawl.state);
  state.dataset.state = crawl.state;
  document.title = `${number(crawl.pages)} pages, ${crawl.state} – Waterspout`;
  for (const name of ["pages", "queued", "failed", "refused", "busy", "concurrency", "hosts"])
    figure(name, number(crawl[name]));
  figure("job", crawl.job);
  figure("limit", crawl.verdict.limit);
  figure("verdict", crawl.verdict.text);
  figure("skipped", number(Object.values(crawl.skipped).reduce((sum, count) => sum + count, 0)));
  figure("rate", rate(crawl.rate));
  figure("bytes_rate", megabytes(crawl.bytes_rate));
  figure("bytes", size(crawl.bytes));
  figure("elapsed", duration(crawl.elapsed));
  figure("eta", left(crawl.eta));
  write(byId("trouble"), crawl.trouble || "");
  byId("trouble").hidden = !crawl.trouble;
  for (const name of ["statuses", "errors", "refusals", "skipped"]) tally(name, crawl[name]);
  if (byId("fields")) tally("fields", empty(crawl.fields));
  hosts(crawl.view.hosts);
  recent(crawl.view.recent);
  keep(crawl.view.points);
  draw();
}

// The connection: tried again for ever, ever less often; the last figures stay meanwhile.
const SLOWEST = 10000; // ms
let wait = 500;
let timer = null;

function connect() {
  clearTimeout(timer);
  timer = null;
  const address = new URL(document.body.dataset.live, location.href);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(address);
  let first = true;
  socket.onmessage = (event) => {
    if (first) {
      // The first message has the whole history, which may be another crawl's than the one before.
      first = false;
      points = [];
      cursor = null;
      wait = 500;
      document.body.classList.remove("stale", "lost");
      write(byId("note"), "");
    }
    show(JSON.parse(event.data));
  };
  socket.onclose = () => {
    const ended = ["stopping", "stopped", "finished"].includes(byId("state").dataset.state);
    document.body.classList.add("stale");
    document.body.classList.toggle("lost", !ended);
    write(byId("note"), ended ? "The crawl has ended; these are its last figures." : "Connection lost, trying again …");
    timer = setTimeout(connect, wait * (0.8 + 0.4 * Math.random()));
    wait = Math.min(wait * 2, SLOWEST);
  };
}

addEventListener("online", () => timer && connect());
document.addEventListener("visibilitychange", () => !document.hidden && timer && connect());
connect();
