export const CONSOLE_STYLE: string = `:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 60rem; padding: 1rem }
header { display: flex; align-items: baseline; gap: 1rem; border-bottom: 1px solid #8886 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 1.5rem }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; margin: 0 }
dt { color: #888 } dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid #8883 }
ul { list-style: none; padding: 0 } .ok::before { content: "\\2713  " } .failed::before { content: "\\2717  " }
.failed, .trouble { color: #c33 } .leader { font-weight: 600 } form { margin: 1rem 0; display: flex; gap: .5rem }
`
