import { SimulatedDisk } from '../../src/platform/simulated/index.ts'
import { describeFiles } from './files-contract.ts'
import { seed } from './seed.ts'

describeFiles('simulated', async () => {
  const files = new SimulatedDisk({ seed }).files()
  await files.makeDirectory('/data/n1')
  return { files, directory: '/data/n1' }
})
