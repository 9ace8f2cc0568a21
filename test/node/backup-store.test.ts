import assert from 'node:assert/strict'
import { it } from 'node:test'
import { BackupStore } from '../../src/node/backup-store.ts'
import type { File, Files } from '../../src/platform/index.ts'
import { EngineMachine } from './engine-machine.ts'

it('a part of a backup whose file cannot be read on fails, and its file is closed', async () => {
  const machine = new EngineMachine(1)
  const { files } = machine.machine.start()
  let open = 0
  const failing = {
    list: (path: string) => files.list(path),
    size: (path: string) => files.size(path),
    open: async (...args: Parameters<Files['open']>) => {
      const file = await files.open(...args)
      if (!args[0].endsWith('images')) return file
      open++
      return {
        read: () => Promise.reject(new Error('the disk fails')),
        close: () => file.close().then(() => void open--),
      } as unknown as File
    },
  } as Files
  await machine.run(
    (async () => {
      await files.makeDirectory('/backups/one')
      const file = await files.open('/backups/one/images', 'create')
      await file.write(new Uint8Array(100), 0)
      await file.close()
      const { body } = await (await BackupStore.open(failing, '/backups')).part('one', 'images', 0)
      await assert.rejects(body.getReader().read(), /the disk fails/)
      assert.equal(open, 0)
    })(),
  )
})

it('what a file system puts into the root of a volume is no backup', async () => {
  const machine = new EngineMachine(1)
  const { files } = machine.machine.start()
  await machine.run(
    (async () => {
      for (const name of ['lost+found', 'begun']) await files.makeDirectory(`/backups/${name}`)
      const store = await BackupStore.open(files, '/backups')
      assert.deepEqual(
        (await store.list(undefined)).map(({ name }) => name),
        ['begun'],
      )
    })(),
  )
})
