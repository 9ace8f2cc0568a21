export { VERSION } from '../model/index.ts'
