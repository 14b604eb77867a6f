// The Go side of gort-bench: the same cases on goroutines and channels.
//
// It is started as a child of gort-bench, as
//
//	gort-bench-go --child <case> go <procs> <scale> <size>
//
// and prints one line: "gort-bench ok name=value ...", "gort-bench skip <reason>" or
// "gort-bench wrong <reason>". The definitions are those of the Rust cases; a join handle is a channel
// of capacity 1, a one-shot likewise, and GOMAXPROCS is set by the parent.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// cx is what a case is told.
type cx struct {
	procs int
	size  int
	tiny  bool
}

// upTo returns count, or a few at the tiny scale.
func (c cx) upTo(count int) int {
	if c.tiny && count > 16 {
		return 16
	}
	return count
}

func (c cx) duration() time.Duration { return time.Duration(c.size) * time.Millisecond }

// skip is the error of a case that this machine cannot run.
type skip string

func (reason skip) Error() string { return string(reason) }

var cases = map[string]func(cx) (figures, error){
	"spawn_join":     spawnJoin,
	"spawn_detach":   spawnDetach,
	"chained_spawn":  chainedSpawn,
	"yield_200":      func(c cx) (figures, error) { return yields(c, 200) },
	"yield_10k":      func(c cx) (figures, error) { return yields(c, 10_000) },
	"skynet":         skynet,
	"fib":            fib,
	"timeout_cancel": timeoutCancel,
	"ping_pong1":     func(c cx) (figures, error) { return pingPong(c, 1) },
	"ping_pong":      func(c cx) (figures, error) { return pingPong(c, 1_000) },
	"oneshot_pp":     oneshotPingPong,
	"mpmc_4x4":       func(c cx) (figures, error) { return produceAndConsume(c, 4, 128) },
	"spsc_1":         func(c cx) (figures, error) { return produceAndConsume(c, 1, 1) },
	"spsc_128":       func(c cx) (figures, error) { return produceAndConsume(c, 1, 128) },
	"mutex":          func(c cx) (figures, error) { return mutex(c, false) },
	"mutex_hold":     func(c cx) (figures, error) { return mutex(c, true) },
	"select4":        select4,
	"timers":         timers,
	"timers1m":       timers,
	"idle":           idle,
	"periodic":       periodic,
	"mem_parked":     memParked,
	"mem_sleep":      memSleep,
	"echo_100":       func(c cx) (figures, error) { return echo(c, 0) },
	"echo_5000":      func(c cx) (figures, error) { return echo(c, 4_900) },
	"http":           hello,
	"block_echo":     func(c cx) (figures, error) { return stuckEcho(c, block) },
	"block_tick":     func(c cx) (figures, error) { return stuckTick(c, block) },
	"hog_echo":       func(c cx) (figures, error) { return stuckEcho(c, hog) },
	"gc_bintrees":    gcBintrees,
	"gc_fifo":        gcFifo,
	"gc_slots":       gcSlots,
	"gc_table":       gcTable,
	"gc_stack":       gcStack,
	"gc_cycles":      gcCycles,
	"gc_latency":     gcLatency,
	"hog_tick":       func(c cx) (figures, error) { return stuckTick(c, hog) },
}

func main() {
	result, err := run(os.Args[1:])
	if _, skipped := err.(skip); skipped {
		fmt.Println("gort-bench skip", oneLine(err))
	} else if err != nil {
		fmt.Println("gort-bench wrong", oneLine(err))
		os.Exit(1)
	} else {
		fmt.Println("gort-bench ok", strings.Join(result, " "))
	}
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func run(args []string) (figures, error) {
	if len(args) != 6 || args[0] != "--child" {
		return nil, fmt.Errorf("this program is started by gort-bench, not with %q", args)
	}
	body, known := cases[args[1]]
	if !known {
		return nil, fmt.Errorf("the Go program has no case %q", args[1])
	}
	procs, err := strconv.Atoi(args[3])
	if err != nil {
		return nil, err
	}
	size, err := strconv.Atoi(args[5])
	if err != nil {
		return nil, err
	}
	if runtime.GOMAXPROCS(0) != procs {
		return nil, fmt.Errorf("GOMAXPROCS is %d instead of %d", runtime.GOMAXPROCS(0), procs)
	}
	c := cx{procs: procs, size: size, tiny: args[4] == "tiny"}
	warmUp(c)
	return body(c)
}

// warmUp keeps every P busy for 150 ms, so that the kernel spreads the threads and the parent can pin
// them.
func warmUp(c cx) {
	total := 150 * time.Millisecond
	if c.tiny {
		total = time.Millisecond
	}
	end := time.Now().Add(total)
	done := make(chan struct{})
	for range c.procs {
		go func() {
			for time.Now().Before(end) {
				slice := time.Now().Add(time.Millisecond)
				for time.Now().Before(slice) {
				}
				runtime.Gosched()
			}
			done <- struct{}{}
		}()
	}
	for range c.procs {
		<-done
	}
}

// check compares a sum of the work done with what it should be.
func check(what string, found, expected int) error {
	if found == expected {
		return nil
	}
	return fmt.Errorf("%s: %d instead of %d", what, found, expected)
}
