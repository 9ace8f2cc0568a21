/** The web console: three static files, kept as text so that they are in the package whatever bundles it. */
export { CONSOLE_PAGE } from './page.ts'
export { CONSOLE_SCRIPT } from './script.ts'
export { CONSOLE_STYLE } from './style.ts'
