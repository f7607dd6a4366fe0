// What the report does beyond being read: filter, expand, copy, follow links into folded parts, draw charts.
(() => {
  "use strict";
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);

  const findings = all(".finding");
  const filter = one("#filter");
  const shown = one("#shown");
  const expand = one("#expand");

  function narrow() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const group of all(".group")) {
      let any = false;
      for (const finding of all(".finding", group)) {
        const fits = words.every((word) => finding.dataset.text.includes(word));
        finding.hidden = !fits;
        any = any || fits;
        count += fits ? 1 : 0;
      }
      group.hidden = !any;
      if (words.length && any && group.tagName === "DETAILS") group.open = true;
    }
    shown.textContent = words.length ? `${count} of ${findings.length}` : "";
  }

  if (filter) {
    one(".tools").hidden = false;
    filter.addEventListener("input", narrow);
    expand.addEventListener("click", () => {
      const open = expand.textContent === "Expand all";
      for (const part of all("details.group, .finding")) part.open = open || (part.matches(".group") && findings.length <= 40);
      expand.textContent = open ? "Collapse all" : "Expand all";
    });
    for (const link of all("[data-filter]")) {
      link.addEventListener("click", () => {
        filter.value = link.dataset.filter;
        narrow();
      });
    }
  }

  function reveal() {
    const id = decodeURIComponent(location.hash.slice(1));
    const target = id && document.getElementById(id);
    if (!target) return;
    if (filter && target.matches(".finding") && target.hidden) {
      filter.value = "";
      narrow();
    }
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    target.scrollIntoView();
  }
  addEventListener("hashchange", reveal);
  reveal();

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }
  for (const button of all(".copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await copy(button.parentElement.querySelector("code").textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = all("details:not([open]):not(.unprinted)");
    if (findings.length <= 100) for (const part of folded) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of folded) part.open = false; });

  const data = one("#chart-data");
  if (!data || typeof Plotly === "undefined") return;
  const charts = JSON.parse(data.textContent);
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const lines = { light: ["#2b6cc4", "#c2571a", "#2a8a6a", "#8a4fbf", "#b8356f", "#6b7a12", "#17808f", "#7a5a3a"],
                  dark: ["#7fb0f5", "#f0a06a", "#6cd0a8", "#c59af2", "#f08ab5", "#c4d264", "#67cbd8", "#d0ae8a"] };

  // "buy p50", "buy p99": one colour for each journey, one dash for each percentile, the last one solid.
  function looks(series, colors) {
    const halves = series.map((s) => [s.name.slice(0, s.name.lastIndexOf(" ")), s.name.slice(s.name.lastIndexOf(" ") + 1)]);
    const heads = [...new Set(halves.map(([head]) => head))];
    const tails = [...new Set(halves.map(([, tail]) => tail))];
    if (series.length < 3 || heads.length * tails.length !== series.length || tails.length === series.length) {
      return series.map((_, i) => ({ color: colors[i % colors.length], dash: "solid" }));
    }
    const dashes = ["solid", "dot", "dash", "dashdot"];
    return halves.map(([head, tail]) => ({
      color: colors[heads.indexOf(head) % colors.length],
      dash: dashes[(tails.length - 1 - tails.indexOf(tail)) % dashes.length],
    }));
  }

  function draw(element) {
    const chart = charts[Number(element.dataset.chart)];
    const muted = style("--muted");
    const grid = style("--line");
    const shade = { fault: style("--fail"), recovery: style("--partly") };
    const color = (kind) => shade[kind] || style("--skipped");
    const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, tickfont: { color: muted }, automargin: true };
    // Names from outside become text in plotly too, which reads a little HTML: take the brackets away.
    const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
    const look = looks(chart.series, dark.matches ? lines.dark : lines.light);
    Plotly.react(element, chart.series.map((series, i) => ({
      type: "scatter", mode: series.x.length > 1 ? "lines" : "markers", name: plain(series.name), x: series.x, y: series.y,
      line: { width: look[i].dash === "solid" ? 1.9 : 1.4, ...look[i] }, hovertemplate: `%{y:,.4g} ${plain(chart.unit)} at %{x:.1f} s<extra>%{fullData.name}</extra>`,
    })), {
      height: 320, margin: { l: 12, r: 12, t: 48, b: 36 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: 12, color: style("--ink") },
      xaxis: { ...axis, title: { text: "seconds since the run began", font: { color: muted }, standoff: 6 }, showgrid: false },
      yaxis: { ...axis, title: { text: plain(chart.unit), font: { color: muted } }, rangemode: "tozero" },
      showlegend: true, legend: { orientation: "h", x: 0, y: 1.1, yanchor: "bottom" },
      hovermode: "closest",
      shapes: chart.windows.map((w) => ({
        type: "rect", xref: "x", yref: "paper", x0: w.x0, x1: w.x1, y0: 0, y1: 1,
        fillcolor: color(w.kind), opacity: 0.13, line: { width: 0 }, layer: "below",
      })),
      annotations: chart.windows.map((w) => ({
        xref: "x", yref: "paper", x: (w.x0 + w.x1) / 2, y: 1, yanchor: "bottom", text: `<b>${w.n}</b>`, showarrow: false,
        font: { size: 11, color: color(w.kind) },
      })),
    }, { displayModeBar: false, responsive: true });
  }
  const drawAll = () => all(".plot").forEach(draw);
  dark.addEventListener("change", drawAll);
  drawAll();
})();
