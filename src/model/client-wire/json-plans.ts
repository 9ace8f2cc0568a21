import { MalformedBytes } from '../../encoding/index.ts'
import {
  QUERY_PATHS,
  QUERY_STAGES,
  type QueryBounds,
  type QueryDiagnostics,
  type QueryPlan,
  type QueryStage,
  type StageRun,
} from '../query-plan.ts'
import {
  asMap,
  asText,
  booleanField,
  choiceField,
  field,
  integerField,
  listField,
  optionalField,
  textField,
} from './fields.ts'

/** How queries are run, and were, out of parsed JSON. */

export function planFromPlain(value: unknown): QueryPlan {
  const map = asMap(value, 'plan')
  return {
    path: choiceField(map, 'path', QUERY_PATHS),
    indexes: listField(map, 'indexes').map(index => asText(index, 'indexes')),
    stages: listField(map, 'stages').map(stageFromPlain),
    isOrderedByScan: booleanField(map, 'isOrderedByScan'),
    isBounded: booleanField(map, 'isBounded'),
    seq: integerField(map, 'seq'),
    bounds: boundsFromPlain(field(map, 'bounds')),
  }
}

function boundsFromPlain(value: unknown): QueryBounds {
  const map = asMap(value, 'bounds')
  const scanRows = optionalField(map, 'scanRows', integerField)
  return {
    pageRows: integerField(map, 'pageRows'),
    pageBytes: integerField(map, 'pageBytes'),
    heldBytes: integerField(map, 'heldBytes'),
    ...(scanRows !== undefined && { scanRows }),
  }
}

function stageFromPlain(value: unknown): QueryStage {
  const map = asMap(value, 'stage')
  const estimatedRows = optionalField(map, 'estimatedRows', integerField)
  const maxRows = optionalField(map, 'maxRows', integerField)
  return {
    kind: choiceField(map, 'kind', QUERY_STAGES),
    text: textField(map, 'text'),
    ...(estimatedRows !== undefined && { estimatedRows }),
    ...(maxRows !== undefined && { maxRows }),
  }
}

export function diagnosticsFromPlain(value: unknown): QueryDiagnostics {
  const map = asMap(value, 'diagnostics')
  const plan = planFromPlain(field(map, 'plan'))
  const stages = listField(map, 'stages').map((run): StageRun => {
    const of = asMap(run, 'stage')
    return { read: integerField(of, 'read'), rows: integerField(of, 'rows'), heldBytes: integerField(of, 'heldBytes') }
  })
  if (stages.length !== plan.stages.length) throw new MalformedBytes('as many runs as stages')
  return { plan, stages, pageBytes: integerField(map, 'pageBytes') }
}
