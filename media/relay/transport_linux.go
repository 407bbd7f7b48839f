package relay

func newTransport(e *Engine) (transport, error) {
	if e.config.Portable {
		return newConns(e), nil
	}
	return newEpoll(e)
}
