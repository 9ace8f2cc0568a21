import assert from 'node:assert/strict'
import { spawnSync, type SpawnSyncReturns } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))

/** What docker is made to say: exit codes by its first word, and where it notes its calls. */
const FAKE_DOCKER = `#!/usr/bin/env bash
echo "$*" >>"$FAKE/calls"
[ -e "$FAKE/$1.hangs" ] && sleep 60
[ -e "$FAKE/$1.says" ] && cat "$FAKE/$1.says"
[ -e "$FAKE/$1.exit" ] && exit "$(cat "$FAKE/$1.exit")"
exit 0
`

describe('docker-engine.sh', () => {
  let fake = ''

  beforeEach(() => {
    fake = mkdtempSync(join(tmpdir(), 'quorate-docker-engine-'))
    say('docker', FAKE_DOCKER)
    say('dockerd', '#!/usr/bin/env bash\necho no control groups >&2\nexit 1\n')
    say('id', '#!/usr/bin/env bash\necho 0\n')
    // Nothing is installed for a test.
    for (const tool of ['iptables', 'apt-get']) say(tool, '#!/usr/bin/env bash\nexit 1\n')
  })
  afterEach(() => rmSync(fake, { recursive: true }))

  function say(file: string, text: string): void {
    writeFileSync(join(fake, file), text, { mode: 0o755 })
  }

  function run(environment: Record<string, string> = {}): SpawnSyncReturns<string> {
    const env = { ...process.env, PATH: `${fake}:${process.env['PATH']}`, FAKE: fake, ...environment }
    return spawnSync('bash', ['scripts/docker-engine.sh', 'sh', '-c', 'echo ran; exit 7'], {
      cwd: root,
      env,
      encoding: 'utf8',
    })
  }

  it('runs the command where engine and image are, and ends as it does', () => {
    const { status, stdout } = run()
    assert.deepEqual([status, stdout], [7, 'ran\n'])
  })

  it('fails when the Dockerfile does not build although containers reach the registry', () => {
    say('build.exit', '1')
    say('build.says', 'COPY failed: no such file: packages.json\n')
    const { status, stdout, stderr } = run()
    assert.equal(status, 1)
    assert.match(stdout, /^failed: the stage 'libraries' of the Dockerfile could not be built$/m)
    assert.match(stderr, /COPY failed: no such file: packages\.json/)
    assert.doesNotMatch(stdout, /ran|not run/)
  })

  it('tells what the build said, and not what an engine says that it has started itself', () => {
    say('info.exit', '1')
    say('build.exit', '1')
    say('build.says', 'unknown instruction: FORM\n')
    say('dockerd', '#!/usr/bin/env bash\nrm "$FAKE/info.exit"\nwhile echo noise of the engine; do sleep 0.05; done\n')
    const { status, stderr } = run()
    assert.deepEqual([status, stderr], [1, 'unknown instruction: FORM\n'])
  })

  it('says that nothing was run when containers reach no registry, and when a build takes too long', () => {
    say('build.exit', '1')
    say('run.exit', '1')
    const { status, stdout } = run()
    assert.equal(status, 75)
    assert.match(stdout, /^not run: the stage 'libraries' .* containers do not reach npm's registry/)
    rmSync(join(fake, 'build.exit'))
    say('build.hangs', '')
    const late = run({ DOCKER_PREPARATION_SECONDS: '1' })
    assert.equal(late.status, 75)
    assert.match(late.stdout, /^not run: .* was not built within 1 s/)
  })

  it('says that nothing was run without the image that the Dockerfile begins with, and without an engine', () => {
    say('image.exit', '1')
    say('pull.exit', '1')
    say('pull.says', 'no route to host\n')
    const { status, stdout } = run({ BASE_IMAGE: 'elsewhere/base:1' })
    assert.equal(status, 75)
    assert.match(stdout, /^not run: elsewhere\/base:1 could not be pulled \(no route to host\)$/m)
    say('info.exit', '1')
    const none = run()
    assert.equal(none.status, 75)
    assert.match(none.stdout, /^not run: the Docker engine did not start \(no control groups\)$/m)
  })
})
