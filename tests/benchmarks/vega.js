// Not TypeScript, as the peers: its packages are those of this folder and not the project's.
import * as vega from 'vega';
import * as vegaLite from 'vega-lite';

/** Draws a chart of Vega-Lite as SVG. */
export async function drawChart(specification) {
  const { spec } = vegaLite.compile(specification, { logger: vega.logger(vega.Error) });
  return new vega.View(vega.parse(spec), { renderer: 'none', logLevel: vega.Error }).toSVG();
}
