// The page: contents folded on a phone, figures that a tap enlarges, everything unfolded in print.
for (const contents of document.querySelectorAll("nav details")) {
  contents.open = !window.matchMedia("(max-width: 40rem)").matches;
}
for (const box of document.querySelectorAll("figure > div")) {
  const enlarge = () => box.classList.toggle("large");
  box.addEventListener("click", enlarge);
  box.addEventListener("keydown", (event) => {
    if (event.key === "Enter") enlarge();
  });
}
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const each of folded) each.open = true;
});
window.addEventListener("afterprint", () => {
  for (const each of folded) each.open = false;
});
