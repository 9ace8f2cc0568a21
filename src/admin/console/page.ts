export const CONSOLE_PAGE: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Quorate</title>
<link rel="stylesheet" href="/console.css">
<script src="/console.js" defer></script>
</head>
<body>
<header>
<h1>Quorate</h1>
<p id="who"></p>
<p id="state" role="status">Connecting</p>
</header>
<main>
<form id="login" hidden>
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" spellcheck="false">
<button>Use</button>
</form>
<div id="details" hidden>
<section aria-label="Warnings"><ul id="warnings"></ul></section>
<section class="cards" id="cards" aria-label="This node at a glance"></section>
<section>
<h2>Members</h2>
<div class="wide members">
<table>
<thead><tr><th>Name</th><th>Role</th><th>Client address</th><th class="number">Behind</th><th class="number">Round trip</th><th>Links</th></tr></thead>
<tbody id="members"></tbody>
</table>
</div>
<p class="hint" id="members-hint"></p>
</section>
<section>
<h2>Requests</h2>
<p class="hint" id="chart-hint"></p>
<svg id="chart" viewBox="0 0 240 48" preserveAspectRatio="none" role="img" aria-label="Requests a second"><polyline id="line"/></svg>
<p class="hint">Over the last half minute:</p>
<div class="wide">
<table>
<thead><tr><th></th><th class="number">a second</th><th class="number">p50</th><th class="number">p95</th><th class="number">p99</th></tr></thead>
<tbody id="latency"></tbody>
</table>
</div>
</section>
<section class="columns">
<div><h2>Disk</h2><dl id="disk"></dl></div>
<div><h2>Storage</h2><dl id="storage"></dl></div>
<div><h2>Readiness</h2><ul id="checks"></ul></div>
<div><h2>This node</h2><dl id="node"></dl></div>
</section>
</div>
</main>
</body>
</html>
`
