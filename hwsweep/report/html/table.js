"use strict";
const MAX_ROWS = 500;  // shown at once: the layout of 10,000 takes seconds
// Tables: a pressed header sorts; a filter, a list of columns and the best row on top where the table has tools.
// Failed trials are in a body of their own and stay below.
document.querySelectorAll("table").forEach((table, index) => {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  const keyOf = (cell) =>
    cell.dataset.key === undefined ? cell.textContent.trim() : Number.parseFloat(cell.dataset.key.replace("inf", "Infinity"));

  let update = () => {};
  const sort = (column, down) => {
    const sign = down ? -1 : 1;
    const rows = [...body.rows].map((row) => [keyOf(row.cells[column]), row]);
    rows.sort(([a], [b]) => {
      if (typeof a === "number" && typeof b === "number") {
        if (!Number.isFinite(a) || !Number.isFinite(b)) return Number.isFinite(b) - Number.isFinite(a);  // no number: last
        return sign * (a - b);
      }
      if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
      return sign * a.localeCompare(b, "en", { numeric: true });
    });
    body.append(...rows.map(([, row]) => row));
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    update();
  };
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () =>
    sort(column, head.getAttribute("aria-sort") === "ascending")));

  const tools = table.parentElement.previousElementSibling;
  if (!tools || !tools.classList.contains("tools")) return;
  tools.hidden = false;
  const names = heads.map((head) => head.textContent.trim());

  // filter: "lr < 0.01" compares a column, every other word stands in some cell; all must hold
  const compare = {
    "<": (a, b) => a < b, "<=": (a, b) => a <= b, ">": (a, b) => a > b, ">=": (a, b) => a >= b,
    "=": (a, b) => a === b, "!=": (a, b) => a !== b,
  };
  const columnOf = (name) => {
    const exact = names.indexOf(name);
    return exact >= 0 ? exact : names.findIndex((other) => other.split("/").pop() === name);
  };
  const condition = ([, name, sign, value, word]) => {
    if (word) return (row) => row.textContent.toLowerCase().includes(word.toLowerCase());
    const column = columnOf(name), number = Number(value);
    if (column < 0) throw new Error(`no column ${name}`);
    return (row) => {
      const cell = row.cells[column];
      if (!cell || cell.colSpan > 1) return false;
      const key = keyOf(cell);
      if (typeof key === "number") return Number.isFinite(key) && compare[sign](key, number);
      return compare[sign](key.toLowerCase(), value.toLowerCase());
    };
  };
  const input = tools.querySelector("input[type=search]"), found = tools.querySelector(".found");
  const all = tools.querySelector(".all");
  let conditions = [];
  update = () => {
    const rows = [...table.rows].slice(1).filter((row) => !row.classList.contains("why"));
    let count = 0, left = 0;
    for (const row of rows) {
      const fits = conditions.every((holds) => holds(row)), why = row.nextElementSibling;
      const late = fits && !all.checked && count >= MAX_ROWS && row.parentElement === body;
      row.hidden = (!fits || late) && row.parentElement !== table.tHead;
      if (why && why.classList.contains("why")) why.hidden = row.hidden;
      count += fits;
      left += late;
    }
    found.textContent = [
      conditions.length ? `${count} of ${rows.length}` : "", left ? `${count - left} shown` : "",
    ].filter(Boolean).join(", ");
  };
  input.addEventListener("input", () => {
    try {
      conditions = [...input.value.matchAll(/([^\s<>=!]+)\s*(<=|>=|!=|=|<|>)\s*([^\s<>=!]+)|(\S+)/g)].map(condition);
    } catch (error) {
      found.textContent = error.message;
      return;
    }
    update();
  });
  all.checked = body.rows.length <= MAX_ROWS;
  all.parentElement.hidden = all.checked;
  all.addEventListener("change", update);
  window.addEventListener("beforeprint", () => {
    all.checked = true;
    update();
  });
  if (!all.checked) update();

  // columns: a style rule hides one, however many rows there are
  const sheet = document.styleSheets[0];
  table.id = `table-${index}`;
  tools.querySelectorAll(".hide input").forEach((box, column) => {
    const rule = `#${table.id} tr > :nth-child(${column + 1}):not([colspan])`;
    box.checked = true;
    box.addEventListener("change", () => {
      const at = [...sheet.cssRules].findIndex((each) => each.selectorText === rule);
      if (at >= 0) sheet.deleteRule(at);
      if (!box.checked) sheet.insertRule(`${rule} { display: none; }`, sheet.cssRules.length);
    });
  });

  // the best row: in the head, which stays in sight
  const pin = tools.querySelector(".pin"), best = body.querySelector("tr.best");
  if (!pin || !best) return;
  const place = () => {
    if (pin.checked) {
      table.tHead.append(best);
      update();
      return;
    }
    body.prepend(best);
    const sorted = heads.findIndex((head) => head.hasAttribute("aria-sort"));
    sort(Math.max(sorted, 0), sorted >= 0 && heads[sorted].getAttribute("aria-sort") === "descending");
  };
  pin.checked = body.rows.length > 12;  // a longer table does not show all rows at once
  pin.addEventListener("change", place);
  if (pin.checked) place();
});
