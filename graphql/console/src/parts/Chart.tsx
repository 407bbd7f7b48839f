import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

export interface Line {
  label: string;
  color: string;
  values: number[];
  fill?: boolean;
}

interface ChartProps {
  /** Unix seconds. */
  times: number[];
  lines: Line[];
  height: number;
  label: string;
  /** Whether seconds matter on the time axis. */
  clock?: boolean;
}

/** A chart with a clock shows at least so many seconds. */
const shortestSpan = 120;

/** A small chart over time; it takes the width of what it stands in. */
export function Chart({ times, lines, height, label, clock = false }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const dark = useComputedColorScheme('light') === 'dark';
  const shape = lines.map((l) => l.label + l.color).join();
  const data = [times, ...lines.map((l) => l.values)] as uPlot.AlignedData;

  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const ink = dark ? '#9aa4ad' : '#66717b';
    const axis = { stroke: ink, grid: { stroke: dark ? '#2c343b' : '#e9edf0', width: 1 }, ticks: { show: false }, font: '11px system-ui' };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height,
        tzDate: (ts) => uPlot.tzDate(new Date(ts * 1000), 'Etc/UTC'),
        cursor: { points: { size: 5 }, drag: { x: false, y: false } },
        legend: { live: true },
        scales: {
          ...(clock ? { x: { range: (_u: uPlot, min: number, max: number): [number, number] => [Math.min(min, max - shortestSpan), max] } } : {}),
          y: { range: (_u, _min, max) => [0, Math.max(5, Math.ceil(max * 1.1))] },
        },
        axes: [{ ...axis, size: 26, values: (_u, ts) => ts.map((v) => new Date(v * 1000).toISOString().slice(11, clock ? 19 : 16)) }, { ...axis, size: 36 }],
        padding: [8, 8, 0, 0],
        series: [
          { value: (_u, v: number | null) => (v === null ? '' : `${new Date(v * 1000).toISOString().slice(11, clock ? 19 : 16)} UTC`) },
          ...lines.map((l) => ({
            label: l.label,
            stroke: l.color,
            width: 1.5,
            points: { show: false },
            ...(l.fill ? { fill: `${l.color}22` } : {}),
          })),
        ],
      },
      data,
      element,
    );
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
    // The plot is made anew for other lines or colours; data goes in below.
  }, [dark, height, shape, clock]);

  useEffect(() => {
    plot.current?.setData(data);
  });

  return <div ref={box} role="img" aria-label={label} style={{ minHeight: height + 24, paddingTop: 2 }} />;
}
