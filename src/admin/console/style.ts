export const CONSOLE_STYLE: string = `:root {
  color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif;
  --ground: light-dark(#f6f7f9, #14161a); --card: light-dark(#fff, #1d2026); --line: light-dark(#dfe2e8, #31353d);
  --text: light-dark(#1b1e24, #e6e8ec); --quiet: light-dark(#5d6573, #9aa3b2);
  --good: light-dark(#17733c, #5fce8b); --bad: light-dark(#b3261e, #ff8f85); --badground: light-dark(#fdeceb, #3a1d1b); --mark: light-dark(#2457c5, #82a9ff);
}
* { box-sizing: border-box } [hidden] { display: none !important }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--ground); color: var(--text) }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .2rem 1rem; margin-bottom: 1rem }
header p { margin: 0 } #state { margin-left: auto }
h1 { font-size: 1.3rem; margin: 0 } h2 { font-size: 1rem; margin: 0 0 .5rem }
section { margin-bottom: 1rem } section:not(.cards, .columns, [aria-label]), .columns > div {
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; min-width: 0 }
.cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: .6rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .6rem .8rem; min-width: 0 }
.card span { display: block; color: var(--quiet); font-size: .85rem }
.card b { font-size: 1.25rem; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(24rem, 100%), 1fr)); gap: 1rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; margin: 0 }
dt, .hint, th { color: var(--quiet) } .hint { font-size: .85rem; margin: .3rem 0 0 }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; text-align: right }
.wide { overflow-x: auto } table { border-collapse: collapse; width: 100% }
th { font-weight: 500; font-size: .85rem } th, td { text-align: left; padding: .35rem .8rem; white-space: nowrap } th:first-child, td:first-child { padding-left: 0 } th:last-child, td:last-child { padding-right: 0 }
td { border-top: 1px solid var(--line) } .number { text-align: right; font-variant-numeric: tabular-nums }
ul { list-style: none; padding: 0; margin: 0 } #checks { columns: 2 }
.ok::before { content: "\\2713  "; color: var(--good) } .failed::before { content: "\\2717  " }
.failed, .trouble { color: var(--bad) } .good { color: var(--good) } .leader { font-weight: 600 }
#warnings li { border-radius: .5rem; padding: .5rem .8rem; margin-bottom: .4rem; border: 1px solid var(--line); background: var(--card) }
#warnings .trouble { background: var(--badground); border-color: currentColor }
#chart { display: block; width: 100%; height: 3.5rem; margin: .5rem 0; border-bottom: 1px solid var(--line); fill: none; stroke: var(--mark); stroke-width: 1.5 } #chart polyline { vector-effect: non-scaling-stroke }
form { margin: 1rem 0; display: flex; flex-wrap: wrap; gap: .5rem; align-items: baseline } input, button { font: inherit; padding: .3rem .6rem }
@media (max-width: 30rem) { body { padding: .7rem } #state { margin-left: 0; width: 100% } #checks { columns: 1 } .cards { grid-template-columns: 1fr 1fr } th, td { padding: .35rem .3rem; font-size: .85rem } #members td:nth-child(3), .members th:nth-child(3) { display: none } }
`
