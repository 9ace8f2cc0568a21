export const CONSOLE_PAGE: string = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Quorate</title>
<link rel="stylesheet" href="/console.css">
<script src="/console.js" defer></script>
</head>
<body>
<header><h1>Quorate</h1><p id="state" role="status">Connecting</p></header>
<main>
<form id="login" hidden>
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off" spellcheck="false">
<button>Use</button>
</form>
<section id="details" hidden>
<h2>This node</h2>
<dl id="node"></dl>
<h2>Members</h2>
<table>
<thead><tr><th>Name</th><th>Role</th><th>Client address</th><th>Peer address</th></tr></thead>
<tbody id="members"></tbody>
</table>
<h2>Readiness</h2>
<ul id="checks"></ul>
</section>
</main>
</body>
</html>
`
