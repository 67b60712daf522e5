"use strict";
// Each picture that has a chart becomes Plotly's interactive figure when it comes near the screen. Plotly and the
// charts are in the page as gzip in base64; where they cannot be unpacked or drawn, the picture stays.
{
  const HOVER = "%{hovertext}<extra></extra>", PANEL = 260, HEIGHT = 420;  // of charts, in pixels
  const CONFIG = { responsive: true, displaylogo: false };
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const drawn = new Map();  // place of a chart -> its content

  const unpack = async (block) => {
    const bytes = Uint8Array.from(atob(block.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).text();
  };

  let plotly = null;
  const load = () => plotly ??= unpack(document.querySelector("script.plotly")).then((text) => {
    const script = document.createElement("script");
    script.textContent = text;  // runs only because the page's policy has the hash of exactly this text
    document.head.append(script);
    return window.Plotly;
  });

  const template = () => {
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = { gridcolor: colour("--line"), zerolinecolor: colour("--line"), automargin: true };
    const clear = "rgba(0,0,0,0)";
    const bar = { thickness: 10, outlinewidth: 0 };
    return {
      data: { scatter: [{ marker: { colorbar: bar } }], contour: [{ colorbar: bar }] },
      layout: {
        paper_bgcolor: clear, plot_bgcolor: clear, font: { color: colour("--text"), family: "system-ui, sans-serif" },
        colorway: ["#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#56B4E9"], hovermode: "closest",
        hoverlabel: { bgcolor: colour("--raised"), bordercolor: colour("--line"), font: { color: colour("--text") }, align: "left" },
        xaxis: axis, yaxis: axis,
        scene: { xaxis: axis, yaxis: axis, zaxis: axis },
        margin: { l: 50, r: 20, t: 30, b: 50 },
        legend: { orientation: "h", y: 1, yanchor: "bottom" },
      },
    };
  };

  // Panels of one row stand in as many columns as there is space for.
  const arrange = (layout, width) => {
    const n = layout.meta?.panels ?? 1;
    const columns = Math.max(1, Math.min(n, Math.floor(width / PANEL))), rows = Math.ceil(n / columns);
    const gap = { x: 0.06, y: 0.36 / rows };
    for (let index = 0; n > 1 && index < n; index++) {
      const suffix = index === 0 ? "" : index + 1, column = index % columns, row = rows - 1 - Math.floor(index / columns);
      const span = (place, count, space) => [place / count + (place > 0 ? space / 2 : 0), (place + 1) / count - (place < count - 1 ? space / 2 : 0)];
      layout[`xaxis${suffix}`] = { ...layout[`xaxis${suffix}`], domain: span(column, columns, gap.x) };
      layout[`yaxis${suffix}`] = { ...layout[`yaxis${suffix}`], domain: span(row, rows, gap.y), showticklabels: column === 0 };
    }
    return { ...layout, template: template(), autosize: true, height: rows > 1 ? PANEL * rows : layout.height ?? HEIGHT };
  };

  // Drag over an axis of parallel coordinates: only the lines that pass there stay; with Shift, over several axes.
  const brush = (place) => {
    const lines = () => place.data.flatMap((trace, index) => trace.customdata ? [index] : []);
    place.on("plotly_selected", (event) => {
      if (!event) return;
      const axes = new Map();
      for (const { x, curveNumber } of event.points) axes.set(x, (axes.get(x) ?? new Set()).add(curveNumber));
      const opacity = lines().map((line) => [...axes.values()].every((passing) => passing.has(line)) ? 0.8 : 0.04);
      Plotly.restyle(place, { opacity }, lines());
    });
    place.on("plotly_deselect", () => Plotly.restyle(place, { opacity: 0.5 }, lines()));
  };

  const draw = async (figure) => {
    const Plotly = await load();
    const { traces, layout, texts } = JSON.parse(await unpack(figure.querySelector("script")));
    for (const trace of traces) {
      if (trace.customdata) Object.assign(trace, { hovertext: trace.customdata.map((number) => texts[number]), hovertemplate: HOVER });
    }
    const place = document.createElement("span");
    place.className = "chart";
    figure.prepend(place);
    await Plotly.newPlot(place, traces, arrange(layout, figure.clientWidth), CONFIG);
    if (layout.meta?.brush) {
      brush(place);
      figure.querySelector("figcaption").append(" Drag over an axis to see only the trials that pass there, with Shift over several axes; a double click shows all.");
    }
    figure.classList.add("drawn");
    drawn.set(place, layout);
  };

  const update = (all) => {
    for (const [place, layout] of drawn) {
      if (all || layout.meta?.panels) Plotly.react(place, place.data, arrange(layout, place.parentElement.clientWidth), CONFIG);
    }
  };
  dark.addEventListener("change", () => update(true));
  window.addEventListener("resize", () => update(false));  // Plotly fits the width of the others itself
  const observer = new IntersectionObserver((entries) => {
    for (const { target } of entries.filter((entry) => entry.isIntersecting)) {
      observer.unobserve(target);
      draw(target).catch((error) => {
        target.querySelector(".chart")?.remove();
        console.error("the chart is not drawn; its picture stays", error);
      });
    }
  }, { rootMargin: "400px" });
  if ("DecompressionStream" in window) document.querySelectorAll("figure:has(> script)").forEach((figure) => observer.observe(figure));
}
