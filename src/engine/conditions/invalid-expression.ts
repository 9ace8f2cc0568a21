/**
 * Why an expression cannot be used on a table. A value: apply refuses with it, a query throws a `QuorateError` of the same code and
 * message.
 */
export class InvalidExpression {
  readonly code: 'column_not_found' | 'type_mismatch' | 'invalid_query'
  readonly message: string

  constructor(code: InvalidExpression['code'], message: string) {
    this.code = code
    this.message = message
  }
}
