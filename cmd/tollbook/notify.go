package main

import (
	"log/slog"
	"net"
	"os"
	"strings"
)

// What a service manager is told (sd_notify(3)).
const (
	notifyReady    = "READY=1"
	notifyStopping = "STOPPING=1"
)

// notify tells the service manager how the program stands, where one asked to be told.
// A manager that cannot be reached is logged: it may end the program for its silence,
// and calls are no reason to end it sooner.
func notify(log *slog.Logger, state string) {
	at := os.Getenv("NOTIFY_SOCKET")
	if at == "" {
		return
	}
	if rest, abstract := strings.CutPrefix(at, "@"); abstract {
		at = "\x00" + rest
	}
	to, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: at, Net: "unixgram"})
	if err != nil {
		log.Error("the service manager cannot be told", "state", state, "err", err)
		return
	}
	defer to.Close()
	if _, err := to.Write([]byte(state)); err != nil {
		log.Error("the service manager cannot be told", "state", state, "err", err)
	}
}
