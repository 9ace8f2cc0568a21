// Ends with 0 if the node in this container lives (`/livez`), else with 1. Not readiness: engines restart what is unhealthy, and a
// restart brings no quorum back. Where the admin port is not told by variables (a file moves it), give the container a health check of its own.
import { get as getPlain } from 'node:http'
import { get as getSecure } from 'node:https'

const { QUORATE_ADMIN_PORT: port = '7420', QUORATE_ADMIN_TLS_CERT_FILE: certificate } = process.env
// The certificate is for the names by which others know this node, not for the loopback.
const request =
  certificate === undefined
    ? getPlain(`http://127.0.0.1:${port}/livez`, answered)
    : getSecure(`https://127.0.0.1:${port}/livez`, { rejectUnauthorized: false }, answered)
request.on('error', error => end(error.message, 1))

function answered(answer) {
  let text = ''
  answer.setEncoding('utf8')
  answer.on('data', chunk => (text += chunk))
  answer.on('end', () => end(text.trim(), answer.statusCode === 200 ? 0 : 1))
}

function end(text, code) {
  console.log(text)
  process.exitCode = code
}
