import { z } from 'zod'
import {
  commitQuery,
  commitSchema,
  ddlQuery,
  ddlResultSchema,
  ddlSchema,
  deleteQuery,
  envelopeSchema,
  errorSchema,
  headSchema,
  settingsSchema,
  commitEventsSchema,
  eventsQuery,
  eventsSchema,
  eventSummaryQuery,
  eventSummarySchema,
  jobsQuery,
  jobsSchema,
  listQuery,
  listSchema,
  scopesListSchema,
  preflightSchema,
  projectsSchema,
  scopesSchema,
  putQuery,
  queryQuery,
  readQuery,
  statusSchema,
  transactionQuery,
  usagesSchema,
  writtenSchema,
} from './schemas.ts'
import { planSchema, queryResultSchema, querySchema, tablesSchema } from './table-schemas.ts'

type Plain = Record<string, unknown>

function schemaOf(schema: z.ZodType, io: 'input' | 'output' = 'output'): Plain {
  const { $schema: _dialect, ...plain } = z.toJSONSchema(schema, { io })
  return plain
}

function queryParameters(schema: z.ZodType): Plain[] {
  const { properties = {}, required = [] } = schemaOf(schema) as {
    properties?: Record<string, Plain>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: 'query',
    required: required.includes(name) && rest['default'] === undefined,
    ...(description !== undefined && { description }),
    schema: rest,
  }))
}

const pathParameter = (name: string, description: string): Plain => ({
  name,
  in: 'path',
  required: true,
  description,
  schema: { type: 'string' },
})
const PROJECT = pathParameter('project', '1 to 128 of A-Z a-z 0-9 _ -')
const SCOPE = pathParameter('scope', '1 to 128 of A-Z a-z 0-9 _ -')
const TABLE = pathParameter('table', '1 to 128 of A-Z a-z 0-9 _ -')
const KEY = pathParameter('key', 'Any bytes, percent-encoded; slashes need no escape')
const IDEMPOTENCY_KEY: Plain = {
  name: 'Idempotency-Key',
  in: 'header',
  description: 'Makes the write apply once, also across processes and the death of this node',
  schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,128}$' },
}

const jsonContent = (schema: z.ZodType, io?: 'input' | 'output'): Plain => ({
  'application/json': { schema: schemaOf(schema, io) },
})
const BYTES: Plain = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } }
const TOKEN_HEADER: Plain = {
  'Quorate-Token': { description: 'history:seq of the answer', schema: { type: 'string' } },
}
const ERROR: Plain = {
  description: 'Refused or failed; `code` says why',
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
}

function operation(
  operationId: string,
  summary: string,
  parameters: readonly Plain[],
  content: Plain,
  body?: Plain,
): Plain {
  return {
    operationId,
    summary,
    parameters,
    ...(body !== undefined && { requestBody: { required: true, content: body } }),
    responses: { '200': { description: 'Done', headers: TOKEN_HEADER, content }, default: ERROR },
  }
}

function tablePaths(): Plain {
  const names = [PROJECT, SCOPE]
  return {
    '/v1/query': {
      post: operation(
        'query',
        'Rows of tables: one page, all pages of one seq',
        queryParameters(queryQuery),
        jsonContent(z.union([queryResultSchema, planSchema])),
        jsonContent(querySchema, 'input'),
      ),
    },
    '/v1/tables/{project}/{scope}': {
      get: operation(
        'listTables',
        'The tables of a scope',
        [...names, ...queryParameters(readQuery)],
        jsonContent(tablesSchema),
      ),
    },
    '/v1/tables/{project}/{scope}/{table}': {
      get: operation(
        'describeTable',
        'One table of a scope',
        [...names, TABLE, ...queryParameters(readQuery)],
        jsonContent(tablesSchema),
      ),
    },
  }
}

function eventAndJobPaths(): Plain {
  return {
    '/v1/events/{project}': {
      get: operation(
        'listProjectEvents',
        'Events of all scopes of a project that the caller may read, in the order of commits',
        [PROJECT, ...queryParameters(eventsQuery)],
        jsonContent(eventsSchema),
      ),
    },
    '/v1/events/{project}/{scope}/summary': {
      get: operation(
        'summarizeEvents',
        'How many events there are, of which topics, from when to when',
        [PROJECT, SCOPE, ...queryParameters(eventSummaryQuery)],
        jsonContent(eventSummarySchema),
      ),
    },
    '/v1/commits/{seq}/events': {
      get: operation(
        'commitEvents',
        'What one commit has emitted, into whatever scope that the caller may read',
        [pathParameter('seq', 'Of the commit'), ...queryParameters(readQuery)],
        jsonContent(commitEventsSchema),
      ),
    },
    '/v1/events/{project}/{scope}': {
      get: operation(
        'listEvents',
        'Events that transactions have emitted, in the order of commits',
        [PROJECT, SCOPE, ...queryParameters(eventsQuery)],
        jsonContent(eventsSchema),
      ),
    },
    '/v1/jobs': {
      get: operation(
        'listJobs',
        'What is done in the background: builds, looks at rows, removals',
        queryParameters(jobsQuery),
        jsonContent(jobsSchema),
      ),
    },
  }
}

function placePaths(): Plain {
  const parameters = queryParameters(readQuery)
  return {
    '/v1/projects': {
      get: operation(
        'listProjects',
        'The projects in which the caller may do something',
        parameters,
        jsonContent(projectsSchema),
      ),
    },
    '/v1/scopes/{project}': {
      get: operation(
        'listScopes',
        'The scopes of a project in which the caller may do something',
        [PROJECT, ...parameters],
        jsonContent(scopesSchema),
      ),
    },
    '/v1/usage': {
      get: operation('listUsage', 'What each project holds, and its quota', parameters, jsonContent(usagesSchema)),
    },
    '/v1/usage/{project}': {
      get: operation(
        'usage',
        'What one project holds, and its quota',
        [PROJECT, ...parameters],
        jsonContent(usagesSchema),
      ),
    },
  }
}

function statePaths(): Plain {
  return {
    '/v1/head': {
      get: operation(
        'head',
        'How far reads see, and how far a majority has synced; with min_seq it waits for that',
        queryParameters(readQuery),
        jsonContent(headSchema),
      ),
    },
    '/v1/settings': {
      get: operation(
        'settings',
        'The replicated settings by name',
        queryParameters(readQuery),
        jsonContent(settingsSchema),
      ),
    },
    '/v1/status': { get: operation('status', 'What this node knows of the cluster', [], jsonContent(statusSchema)) },
  }
}

/** OpenAPI 3.1 of the HTTP door, made of the schemas that requests are checked against. */
export function openApiDocument(version: string): Plain {
  const names = [PROJECT, SCOPE]
  return {
    openapi: '3.1.0',
    info: { title: 'Quorate', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    security: [{ bearer: [] }, {}],
    paths: {
      '/v1/kv/{project}/{scope}/{key}': {
        get: operation('getKey', 'The value of a key', [...names, KEY, ...queryParameters(readQuery)], BYTES),
        put: operation(
          'putKey',
          'Sets a key',
          [...names, KEY, IDEMPOTENCY_KEY, ...queryParameters(putQuery)],
          jsonContent(writtenSchema),
          BYTES,
        ),
        delete: operation(
          'deleteKey',
          'Deletes a key; a missing one is a success',
          [...names, KEY, IDEMPOTENCY_KEY, ...queryParameters(deleteQuery)],
          jsonContent(writtenSchema),
        ),
      },
      '/v1/kv/{project}/{scope}': {
        get: operation(
          'listKeys',
          'Keys in order, page by page, all of one seq',
          [...names, ...queryParameters(listQuery)],
          jsonContent(listSchema),
        ),
      },
      '/v1/kv/{project}': {
        get: operation(
          'listScopesKeys',
          'Keys of all scopes of a project that the caller may read, page by page, all of one seq',
          [PROJECT, ...queryParameters(listQuery)],
          jsonContent(scopesListSchema),
        ),
      },
      '/v1/commit': {
        post: operation(
          'commit',
          'Applies a transaction, all or nothing',
          [IDEMPOTENCY_KEY, ...queryParameters(commitQuery)],
          jsonContent(commitSchema),
          jsonContent(envelopeSchema, 'input'),
        ),
      },
      '/v1/preflight': {
        post: operation(
          'preflight',
          'What a transaction would do; nothing is changed',
          queryParameters(transactionQuery),
          jsonContent(preflightSchema),
          jsonContent(envelopeSchema, 'input'),
        ),
      },
      '/v1/ddl': {
        post: operation(
          'ddl',
          'Changes catalog, tables, permissions or settings',
          [IDEMPOTENCY_KEY, ...queryParameters(ddlQuery)],
          jsonContent(ddlResultSchema),
          jsonContent(z.union([ddlSchema, z.array(ddlSchema)]), 'input'),
        ),
      },
      ...tablePaths(),
      ...placePaths(),
      ...eventAndJobPaths(),
      ...statePaths(),
    },
    components: {
      schemas: { Error: schemaOf(errorSchema) },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  }
}
