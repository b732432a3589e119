import { benchmarksFolder, peers } from './contestants.js';
import type { Results } from './goals.js';
import { titleOf } from './titles.js';

/** What the chart shows, a panel each. */
const panels: ReadonlyMap<string, string> = new Map([
  ['open-100', 'Nothing pending, 100 applied'],
  ['open-1000', 'Nothing pending, 1,000 applied'],
  ['fresh-100', 'A fresh file, 100 migrations'],
  ['fresh-1000', 'A fresh file, 1,000 migrations'],
  ['fleet', '1,000 small databases'],
  ['large', 'A database of 200 MB'],
]);
/** Where the bars begin: an axis of logarithms has no 0. */
const LEAST = 0.1;
const shown = ['folder', 'bundle', 'upgradeAll', ...peers];

/** A chart as Vega-Lite describes it: for each kind of work, how many times the limit each contestant takes. */
export function chartOf(results: Results): object {
  const values = [...panels].flatMap(([workload, panel]) =>
    [...(results.get(workload)?.values() ?? [])].flatMap(({ contestant, ratio }) =>
      shown.includes(contestant) && ratio !== undefined
        ? [
            {
              panel,
              contestant: titleOf(contestant).replaceAll(/[*`]/g, ''),
              kind: peers.some((peer) => peer === contestant) ? 'other tools' : 'this project',
              ...ratio,
              label: ratio.median.toFixed(2),
            },
          ]
        : [],
    ),
  );
  const y = {
    field: 'contestant',
    type: 'nominal',
    sort: { field: 'median' },
    title: null,
    axis: { labelLimit: 300 },
  };
  const times = {
    field: 'median',
    type: 'quantitative',
    scale: { type: 'log', domainMin: LEAST, nice: false, clamp: true },
  };
  const axis = {
    title: 'times the limit (less is better; the bar is the median, the line from least to most)',
    values: [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500],
  };
  const panel = {
    width: 420,
    height: { step: 18 },
    layer: [
      {
        mark: { type: 'bar', height: 11 },
        encoding: {
          y,
          x: { ...times, axis },
          x2: { datum: LEAST },
          color: {
            field: 'kind',
            type: 'nominal',
            title: null,
            scale: { domain: ['this project', 'other tools'], range: ['#1f6feb', '#9aa4af'] },
            legend: { orient: 'top' },
          },
        },
      },
      {
        mark: { type: 'rule', color: '#24292f' },
        encoding: { y, x: { field: 'min', type: 'quantitative' }, x2: { field: 'max' } },
      },
      {
        mark: { type: 'text', align: 'left', dx: 4, color: '#24292f' },
        encoding: { y, x: { field: 'max', type: 'quantitative' }, text: { field: 'label' } },
      },
      { mark: { type: 'rule', color: '#cf222e', strokeDash: [4, 3] }, encoding: { x: { datum: 1 } } },
    ],
  };
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    padding: 12,
    data: { values },
    facet: {
      row: {
        field: 'panel',
        type: 'nominal',
        title: null,
        sort: [...panels.values()],
        header: {
          labelAngle: 0,
          labelAlign: 'left',
          labelAnchor: 'start',
          labelOrient: 'top',
          labelFontWeight: 'bold',
          labelFontSize: 12,
        },
      },
    },
    spec: panel,
    resolve: { scale: { y: 'independent' } },
    spacing: 14,
    config: { font: 'sans-serif', view: { stroke: null } },
  };
}

type Draw = (chart: object) => Promise<unknown>;

function isDrawer(module: unknown): module is { readonly drawChart: Draw } {
  return (
    typeof module === 'object' &&
    module !== null &&
    'drawChart' in module &&
    typeof module.drawChart === 'function'
  );
}

/** Draws a chart as SVG; the library that draws is one of the benchmarks' own packages. */
export async function drawChart(chart: object): Promise<string> {
  const module: unknown = await import(new URL('vega.js', benchmarksFolder).href);
  const svg = isDrawer(module) ? await module.drawChart(chart) : undefined;
  if (typeof svg !== 'string') throw new Error('The chart could not be drawn.');
  return `${svg}\n`;
}
