/**
 * What the Rust engine whose gate this is gave on a machine like this one (2 cores, ext4): median of five undisturbed runs of its release
 * build, and the best of them. Figures that say how much was done, not how fast, are left out.
 */
export interface Bar {
  readonly median: number
  readonly best: number
  /** Whether more is better. */
  readonly isMoreBetter: boolean
}

type Pairs = Readonly<Record<string, readonly [median: number, best: number]>>

const less = (pairs: Pairs): [string, Bar][] =>
  Object.entries(pairs).map(([name, [median, best]]) => [name, { median, best, isMoreBetter: false }])
const more = (pairs: Pairs): [string, Bar][] =>
  Object.entries(pairs).map(([name, [median, best]]) => [name, { median, best, isMoreBetter: true }])

export const BARS: Readonly<Record<string, ReadonlyMap<string, Bar>>> = {
  benchmark_gate: new Map([
    ...less({
      kv_get_p50: [991, 971],
      kv_get_p99: [2_464, 2_283],
      kv_scan100_p50: [7, 7],
      kv_scan100_p99: [15, 14],
      mixed_commit_p50: [933, 841],
      mixed_commit_p99: [1_384, 1_299],
    }),
    ...more({ batch_throughput: [83_877, 106_944] }),
  ]),
  benchmark_coordinator_vs_parallel_lanes: new Map(
    more({ parallel_tps: [92_092, 103_210], coordinator_tps: [27_904, 30_754] }),
  ),
  saturated_state_machine_kv: new Map([
    ...more({ tps: [90_273, 112_818] }),
    ...less({ p50: [211, 173], p99: [1_424, 1_073], avg_commit: [287, 230] }),
  ]),
  saturated_batched_state_machine_kv: new Map([
    ...more({ batch_tps: [22_905, 27_854], transition_tps: [366_483, 445_672] }),
    ...less({ p50: [612, 495], p99: [1_876, 1_549], avg_commit: [540, 453] }),
  ]),
  persistent_large_kv: new Map(
    less({
      set_p50: [694, 500],
      set_p99: [903, 615],
      hot_get_p50: [13, 10],
      hot_get_p99: [26, 21],
      cold_get_p50: [40, 33],
      cold_get_p99: [123, 87],
    }),
  ),
  page_store_batch: new Map(
    less({
      individual_append: [12.17, 9.21],
      batch_append: [4.65, 4.2],
      individual_per_page: [11_883, 8_995],
      batch_per_page: [4_544, 4_104],
      hot_read_p50: [131, 121],
      hot_read_p99: [210, 170],
      cold_read_p50: [4_196, 3_936],
      cold_read_p99: [5_098, 4_527],
    }),
  ),
  single_file_archive_large_page_streaming: new Map([
    ...less({ archive_bytes: [195_301, 195_301], write: [57, 44], extract: [39, 25] }),
    ...more({ write_rate: [561, 727], extract_rate: [820, 1_280] }),
  ]),
  small_kv_pressure: new Map(
    less({
      set_p50: [22, 18],
      set_p99: [61, 39],
      cold_get_p50: [1, 1],
      cold_get_p99: [19, 10],
      hot_get_p50: [1, 0],
      hot_get_p99: [1, 1],
      memory_estimate: [16_316, 16_316],
    }),
  ),
  many_small_kv_no_pressure: new Map(
    less({
      update_p50: [7, 6],
      update_p99: [21, 16],
      get_p50: [0, 0],
      get_p99: [1, 0],
      memory_estimate: [422_326, 422_326],
    }),
  ),
  many_u256_sized_kv_no_pressure: new Map(
    less({
      update_p50: [7, 6],
      update_p99: [16, 13],
      get_p50: [0, 0],
      get_p99: [1, 0],
      memory_estimate: [258_486, 258_486],
    }),
  ),
  durability_profile: new Map(
    less({
      full_strict_p50: [161, 143],
      full_strict_p99: [272, 258],
      full_strict_avg_commit: [166, 154],
      full_strict_avg_wal_append: [4, 4],
      full_strict_avg_wal_sync: [149, 138],
      batch_strict_p50: [8, 6],
      batch_strict_p99: [23, 14],
      batch_strict_avg_commit: [12, 8],
      osbuffered_permissive_p50: [7, 6],
      osbuffered_permissive_p99: [22, 16],
      osbuffered_permissive_avg_commit: [10, 9],
    }),
  ),
  many_small_kv_batching: new Map(
    more({
      individual_ops_per_sec: [102_961, 150_556],
      batched_ops_per_sec: [536_181, 726_484],
      batched_commits_per_sec: [33_511, 45_405],
    }),
  ),
  spilled_kv_hot_cold_read_mix: new Map(less({ p50: [0, 0], p99: [3, 3] })),
  checkpoint_backup_spilled_write_load: new Map(less({ checkpoint: [201_622, 142_980], backup: [165_243, 142_975] })),
  benchmark_index_predicate_shapes: new Map(
    less({
      eq_p50: [18, 17],
      eq_p99: [56, 33],
      in_p50: [15, 14],
      in_p99: [23, 20],
      like_exact_p50: [17, 16],
      like_exact_p99: [52, 39],
      like_residual_p50: [401, 395],
      like_residual_p99: [648, 597],
      partial_p50: [24, 20],
      partial_p99: [66, 39],
      composite_p50: [23, 21],
      composite_p99: [68, 51],
    }),
  ),
}
