import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import type { Ddl } from '../../encoding/index.ts'

const TEXT_MAX = 200

/** An operation in a few words, for messages: `createIndex shop/app/orders by_total`. */
export function describeDdl(operation: Ddl): string {
  const { type } = operation
  const text = `${type} ${subjectOf(operation)}`
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}...` : text
}

function subjectOf(operation: Ddl): string {
  switch (operation.type) {
    case 'createProject':
    case 'renameProject':
    case 'dropProject':
    case 'setQuota':
      return operation.project
    case 'grant':
    case 'revoke':
      return `${operation.permission.type} of ${operation.caller}`
    case 'setSetting':
      return operation.name
    case 'transferOwnership':
      return [operation.project, operation.scope, operation.table].filter(part => part !== undefined).join('/')
    case 'createScope':
    case 'renameScope':
    case 'dropScope':
    case 'compactEvents':
      return `${operation.project}/${operation.scope ?? DEFAULT_SCOPE}`
    default: {
      const table = `${operation.project}/${operation.scope ?? DEFAULT_SCOPE}/${operation.table}`
      if (operation.type === 'createIndex') return `${table} ${operation.index.name}`
      if (operation.type === 'dropIndex') return `${table} ${operation.name}`
      return operation.type === 'alterTable' ? `${table} ${operation.alteration.type}` : table
    }
  }
}
