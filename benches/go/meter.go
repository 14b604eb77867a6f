package main

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// figures are name=value pairs, as gort-bench reads them.
type figures []string

func (f figures) with(name string, value float64) figures {
	return append(f, name+"="+strconv.FormatFloat(value, 'f', -1, 64))
}

// meter holds the clocks at the start of the measured part.
type meter struct {
	mallocs uint64
	usage   syscall.Rusage
	start   time.Time
}

func startMeter() meter {
	m := meter{mallocs: mallocs()}
	m.usage = usage()
	m.start = time.Now()
	return m
}

// measured is what the measured part took.
type measured struct {
	wall, cpu              time.Duration
	voluntary, involuntary int64
	maxRSS                 int64
	mallocs                uint64
}

func (m meter) stop() measured {
	wall := time.Since(m.start)
	now := usage()
	return measured{
		wall:        wall,
		cpu:         cpuOf(now) - cpuOf(m.usage),
		voluntary:   int64(now.Nvcsw - m.usage.Nvcsw),
		involuntary: int64(now.Nivcsw - m.usage.Nivcsw),
		maxRSS:      int64(now.Maxrss),
		mallocs:     mallocs() - m.mallocs,
	}
}

// perOp returns wall time, CPU and the common figures for ops operations.
func (m measured) perOp(ops int) figures {
	return m.common(ops).
		with("ns_per_op", float64(m.wall.Nanoseconds())/float64(ops)).
		with("cpu_ns_per_op", float64(m.cpu.Nanoseconds())/float64(ops))
}

// common returns the figures that mean something for every case.
func (m measured) common(ops int) figures {
	return figures{}.
		with("allocs_per_op", float64(m.mallocs)/float64(ops)).
		with("csw_voluntary", float64(m.voluntary)).
		with("csw_involuntary", float64(m.involuntary)).
		with("max_rss_kib", float64(m.maxRSS))
}

func usage() syscall.Rusage {
	var raw syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &raw); err != nil {
		panic(err)
	}
	return raw
}

func cpuOf(raw syscall.Rusage) time.Duration {
	return time.Duration(raw.Utime.Nano() + raw.Stime.Nano())
}

func mallocs() uint64 {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.Mallocs
}

// resident returns the resident set in bytes.
func resident() (int, error) {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, skip("the resident set is read from /proc/self/statm")
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm reads %q", statm)
	}
	pages, err := strconv.Atoi(fields[1])
	return pages * os.Getpagesize(), err
}

// percentile sorts the values and returns the one that percent per cent of them do not exceed, in us.
func percentile(values []uint32, percent float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	rank := int(math.Ceil(float64(len(values)) * percent / 100))
	return float64(values[max(rank, 1)-1]) / 1e3
}

// nanoseconds cuts a duration to what the percentiles are computed from.
func nanoseconds(d time.Duration) uint32 { return uint32(min(d.Nanoseconds(), math.MaxUint32)) }
