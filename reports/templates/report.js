// Draws the charts in the reader's colour scheme, and sorts a table when a heading is pressed.
const charts = JSON.parse(document.getElementById("charts").textContent);
const prefersDark = matchMedia("(prefers-color-scheme: dark)");
let drawn = [];

async function draw() {
  drawn.splice(0).forEach((chart) => chart.finalize());
  const options = {
    mode: "vega-lite",
    renderer: "svg",
    ast: true, // interprets expressions: the page's policy forbids eval
    actions: false,
    defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
    config: charts.themes[prefersDark.matches ? "dark" : "light"],
  };
  for (const figure of charts.figures) {
    for (const [index, specification] of figure.specifications.entries()) {
      const place = document.getElementById(`${figure.id}-${index}`);
      drawn.push(await window.vegaEmbed(place, { ...specification, datasets: { rows: figure.rows } }, options));
    }
  }
  document.documentElement.dataset.drawn = prefersDark.matches ? "dark" : "light";
}

let drawing = draw();
prefersDark.addEventListener("change", () => (drawing = drawing.then(draw)));

function sortKey(row, column) {
  const key = row.cells[column].dataset.sort;
  return key === undefined || key === "" || isNaN(key) ? key : Number(key);
}

function compare(one, other) {
  return typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const up = heading.ariaSort !== "ascending";
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
      const keyed = [...table.tBodies[0].rows].map((row) => [sortKey(row, column), row]);
      const known = keyed.filter(([key]) => key !== undefined).sort(([one], [other]) => compare(one, other));
      const unknown = keyed.filter(([key]) => key === undefined); // always at the end
      table.tBodies[0].append(...[...(up ? known : known.reverse()), ...unknown].map(([, row]) => row));
    });
  });
}
