package main

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const stuckPoll = 50 * time.Millisecond

// block keeps the thread in a system call.
func block() {
	left := syscall.NsecToTimespec(stuckPoll.Nanoseconds())
	for syscall.Nanosleep(&left, &left) == syscall.EINTR {
	}
}

func hog() {
	for start := time.Now(); time.Since(start) < stuckPoll; {
	}
}

// keepWorkers starts as many goroutines as workers that are stuck over and over, until the returned function is called.
func keepWorkers(c cx, stick func()) (end func()) {
	var stop atomic.Bool
	ended := newCountdown(c.procs)
	for range c.procs {
		go func() {
			for !stop.Load() {
				stick()
				runtime.Gosched()
			}
			ended.hit()
		}()
	}
	time.Sleep(2 * stuckPoll)
	return func() {
		stop.Store(true)
		<-ended.done
	}
}

func threads() float64 {
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return 0
	}
	return float64(len(entries))
}

func stuckEcho(c cx, stick func()) (figures, error) {
	const clients = 8
	server, err := serve(clients)
	if err != nil {
		return nil, err
	}
	connections, err := connect(server.address, clients)
	if err != nil {
		return nil, err
	}
	<-server.all.done
	stop := keepWorkers(c, stick)
	end := time.Now().Add(time.Duration(c.size) * time.Millisecond)
	done := make(chan int)
	m := startMeter()
	for _, connection := range connections {
		go func() {
			trips := 0
			for time.Now().Before(end) {
				if len(converse(connection, 1)) != 1 {
					break
				}
				trips++
			}
			done <- trips
		}()
	}
	trips := 0
	for range connections {
		trips += <-done
	}
	result := m.stop()
	stop()
	f := result.common(max(trips, 1)).with("threads", threads())
	return f.with("ops_per_s", float64(trips)/result.wall.Seconds()), nil
}

func stuckTick(c cx, stick func()) (figures, error) {
	stop := keepWorkers(c, stick)
	end := time.Now().Add(time.Duration(c.size) * time.Millisecond)
	done := make(chan []uint32)
	m := startMeter()
	go func() {
		var late []uint32
		for time.Now().Before(end) {
			by, early := sleepAndCompare(time.Millisecond)
			if early {
				late = nil
				break
			}
			late = append(late, nanoseconds(by))
		}
		done <- late
	}()
	late := <-done
	result := m.stop()
	stop()
	if late == nil {
		return nil, errEarly
	}
	return withLateness(result.common(len(late)).with("threads", threads()), late), nil
}
