/** Pages as runs: first page and count, one after the other; neighbours that come in order make one run. */
export class RunList {
  readonly runs: number[]

  constructor(runs: number[] = []) {
    this.runs = runs
  }

  add(page: number, count: number): void {
    const { runs } = this
    const last = runs.length - 2
    if (last >= 0 && runs[last]! + runs[last + 1]! === page) runs[last + 1]! += count
    else runs.push(page, count)
  }

  /** Takes out one page; false if it is not in the list. */
  remove(page: number): boolean {
    const { runs } = this
    for (let i = 0; i < runs.length; i += 2) {
      const first = runs[i]!
      const count = runs[i + 1]!
      if (page < first || page >= first + count) continue
      const pieces = [first, page - first, page + 1, first + count - page - 1]
      runs.splice(i, 2, ...pieces.slice(0, pieces[1] === 0 ? 0 : 2), ...(pieces[3] === 0 ? [] : pieces.slice(2)))
      return true
    }
    return false
  }

  forEach(visit: (page: number, count: number) => void): void {
    const { runs } = this
    for (let i = 0; i < runs.length; i += 2) visit(runs[i]!, runs[i + 1]!)
  }

  clone(): RunList {
    return new RunList(this.runs.slice())
  }
}
