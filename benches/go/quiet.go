package main

import (
	"errors"
	"math/rand"
	"net"
	"sync/atomic"
	"time"
)

// sleepAndCompare sleeps and returns by how much it was late.
func sleepAndCompare(delay time.Duration) (late time.Duration, early bool) {
	start := time.Now()
	time.Sleep(delay)
	late = time.Since(start) - delay
	return late, late < 0
}

var errEarly = errors.New("a sleep ended early")

func withLateness(f figures, late []uint32) figures {
	return f.with("late_p50_us", percentile(late, 50)).with("late_p99_us", percentile(late, 99))
}

func timers(c cx) (figures, error) {
	longest := time.Second
	if c.tiny {
		longest = 20 * time.Millisecond
	}
	left := newCountdown(c.size)
	late := make([]uint32, c.size)
	var early atomic.Int64
	random := rand.New(rand.NewSource(1))
	m := startMeter()
	for index := range late {
		delay := time.Duration(random.Int63n(int64(longest)))
		go func() {
			by, wasEarly := sleepAndCompare(delay)
			if wasEarly {
				early.Add(1)
			}
			late[index] = nanoseconds(by)
			left.hit()
		}()
	}
	<-left.done
	result := m.stop()
	if early.Load() != 0 {
		return nil, errEarly
	}
	return withLateness(result.common(c.size).with("cpu_s", result.cpu.Seconds()), late), nil
}

func periodic(c cx) (figures, error) {
	const period = 100 * time.Millisecond
	tasks := c.upTo(1_000)
	rounds := c.size / int(period/time.Millisecond)
	done := make(chan []uint32)
	m := startMeter()
	for task := range tasks {
		go func() {
			time.Sleep(period * time.Duration(task) / time.Duration(tasks))
			late := make([]uint32, 0, rounds)
			for range rounds {
				if by, early := sleepAndCompare(period); !early {
					late = append(late, nanoseconds(by))
				}
			}
			done <- late
		}()
	}
	var late []uint32
	for range tasks {
		late = append(late, <-done...)
	}
	result := m.stop()
	if len(late) != tasks*rounds {
		return nil, errEarly
	}
	wakes := tasks * (rounds + 1)
	perWake := float64(result.cpu.Nanoseconds()) / 1e3 / float64(wakes)
	return withLateness(result.common(wakes).with("cpu_us_per_wake", perWake), late), nil
}

func idle(c cx) (figures, error) {
	count := c.upTo(1_000)
	server, err := serve(count)
	if err != nil {
		return nil, err
	}
	clients, err := connect(server.address, count)
	if err != nil {
		return nil, err
	}
	for _, client := range clients {
		go readToEnd(client)
	}
	for range count {
		go time.Sleep(time.Hour)
	}
	time.Sleep(50 * time.Millisecond)
	m := startMeter()
	time.Sleep(c.duration())
	result := m.stop()
	perSecond := float64(result.cpu.Microseconds()) / result.wall.Seconds()
	err = check("connections", int(server.accepted.Load()), count)
	return result.common(1).with("cpu_us_per_s", perSecond), err
}

func readToEnd(connection net.Conn) {
	var buffer [messageLength]byte
	connection.Read(buffer[:])
	panic("an idle connection read something")
}

func memParked(c cx) (figures, error) {
	gate := make(chan struct{})
	left := newCountdown(c.size)
	return grow(c, func(parked *countdown) {
		parked.hit()
		<-gate
		left.hit()
	}, func() {
		close(gate)
		<-left.done
	})
}

func memSleep(c cx) (figures, error) {
	return grow(c, func(started *countdown) {
		started.hit()
		time.Sleep(time.Hour)
		panic("an hour cannot have passed")
	}, func() {})
}

// grow starts goroutines, looks at the resident set once all have started, and then ends them.
func grow(c cx, task func(*countdown), end func()) (figures, error) {
	started := newCountdown(c.size)
	before, err := resident()
	if err != nil {
		return nil, err
	}
	m := startMeter()
	for range c.size {
		go task(started)
	}
	<-started.done
	time.Sleep(20 * time.Millisecond)
	after, err := resident()
	result := m.stop()
	end()
	perTask := float64(max(after-before, 0)) / float64(c.size)
	return result.perOp(c.size).with("bytes_per_task", perTask), err
}
