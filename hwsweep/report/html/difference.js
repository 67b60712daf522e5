"use strict";
// Two ticked rows of a table of trials: what differs between them stands in a table below it.
for (const data of document.querySelectorAll("script.differences")) {
  const { names, settings, metrics } = JSON.parse(data.textContent);
  const box = data.closest(".box"), panel = document.createElement("div");
  panel.className = "difference";
  box.after(panel);
  const element = (tag, text, className = "") => Object.assign(document.createElement(tag), { textContent: text, className });
  const cell = (value) => element("td", value ?? "–");

  const show = (rows) => {
    const sentence = element("p", "Tick two trials to see what differs between them.");
    sentence.setAttribute("role", "status");
    panel.replaceChildren(sentence);
    if (rows.length < 2) return;
    const [a, b] = rows;
    const keys = [settings, metrics].map((columns) => Object.entries(columns).filter(([, values]) => values[a] !== values[b]));
    const counted = (n, noun) => `${n} ${noun}${n === 1 ? "" : "s"}`;
    sentence.textContent = `${counted(keys[0].length, "setting")} and ${counted(keys[1].length, "metric")} differ between ${names[a]} and ${names[b]}.`;
    const table = document.createElement("table"), head = table.createTHead().insertRow();
    for (const title of ["", names[a], names[b]]) {
      const th = element("th", title);
      th.scope = "col";
      head.append(th);
    }
    for (const group of keys) {
      const body = table.createTBody();
      for (const [key, values] of group) {
        const th = element("th", key);
        th.scope = "row";
        body.insertRow().append(th, cell(values[a]), cell(values[b]));
      }
    }
    if (keys[0].length + keys[1].length === 0) return;
    const around = element("div", "", "box");
    around.tabIndex = 0;
    around.append(table);
    panel.append(around);
  };

  const ticked = [];  // the one that was ticked first leaves when a third is
  for (const row of box.querySelectorAll("tr[data-row]")) {
    const tick = Object.assign(document.createElement("input"), { type: "checkbox", className: "tick", autocomplete: "off" });
    tick.setAttribute("aria-label", `compare ${names[row.dataset.row]}`);
    tick.addEventListener("change", () => {
      if (tick.checked) ticked.push(tick);
      else ticked.splice(ticked.indexOf(tick), 1);
      if (ticked.length > 2) ticked.shift().checked = false;
      show(ticked.map((each) => Number(each.closest("tr").dataset.row)).sort((a, b) => a - b));
    });
    row.cells[0].prepend(tick);
  }
  show([]);
}
