import { DEFAULT_SCOPE } from '../../encoding/index.ts'
import { requireName } from '../names.ts'

/** Where a layer keeps what it knows. */
export interface LayerNamespace {
  project: string
  /** Default `app`. */
  scope?: string
}

/** @throws QuorateError `invalid_name` */
export function requireNamespace({ project, scope = DEFAULT_SCOPE }: LayerNamespace): Required<LayerNamespace> {
  requireName('project', project)
  requireName('scope', scope)
  return { project, scope }
}
