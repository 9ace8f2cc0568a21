import type { Command } from 'commander'
import type { AuditRow, AuditVerification } from '../model/index.ts'
import { ddlToJson } from '../encoding/index.ts'
import { positiveInteger } from './context.ts'
import type { Session, WithSession } from './context.ts'
import { CommandExit, ExitCode } from './exit-codes.ts'

/** `quorate audit`: who may do what, and what was done in another's name. */
export function addAuditCommands(program: Command, withSession: WithSession): void {
  const audit = program.command('audit').description('the audit rows, and whether their chain holds (admin permission)')
  audit
    .command('list')
    .description('the newest rows first, whole entries')
    .option('--limit <rows>', 'at most so many, unless one entry has more; 1000 at most', '100')
    .option('--before <seq>', 'only rows of entries before this one')
    .action(withSession(listRows))
  audit
    .command('verify')
    .description('follows the hashes of all rows that are kept; exit code 4 if they do not hold')
    .option('--known <hash>', 'a head that was noted elsewhere: exit code 1 if no row has this hash')
    .action(withSession(verify))
}

async function listRows(session: Session, command: Command): Promise<void> {
  const { output } = session
  const { limit, before } = command.opts<{ limit: string; before?: string }>()
  const page = await (
    await session.database()
  ).audit({
    limit: positiveInteger('--limit', limit),
    ...(before !== undefined && { before: positiveInteger('--before', before) }),
  })
  output.result({ ...page, rows: page.rows.map(plainRow) }, () => {
    if (page.rows.length === 0) return output.line('no rows')
    output.table(page.rows.map(shownRow))
    output.line(`${page.count} kept, head ${page.headHash}${page.isIntact ? '' : ': the chain does not hold'}`)
  })
}

async function verify(session: Session, command: Command): Promise<void> {
  const { output } = session
  const { known } = command.opts<{ known?: string }>()
  const found = await (await session.database()).verifyAudit(known === undefined ? {} : { knownHash: known })
  output.result(found, () => output.line(describe(found)))
  if (!found.isIntact) throw new CommandExit(ExitCode.damage, 'the chain of the audit rows does not hold')
  if (found.isKnownHashFound === false) throw new CommandExit(ExitCode.failed, 'no row has the known hash')
}

function describe({ isIntact, checked, brokenAtSeq, headHash, seq }: AuditVerification): string {
  const place = brokenAtSeq === undefined ? '' : ` at seq ${brokenAtSeq}`
  return `${checked} rows as of seq ${seq}, ${isIntact ? 'intact' : `broken${place}`}, head ${headHash}`
}

function plainRow({ operation, ...row }: AuditRow): object {
  return operation === undefined ? row : { ...row, operation: ddlToJson(operation) }
}

function shownRow({
  seq,
  timeMicros,
  kind,
  actor,
  caller,
  code,
  operation,
  assertion,
}: AuditRow): Record<string, string> {
  const what = operation === undefined ? assertion : ddlToJson(operation)
  return {
    seq: String(seq),
    'leader time us': String(timeMicros),
    kind,
    actor,
    caller,
    code,
    what: what === undefined ? '' : JSON.stringify(what),
  }
}
