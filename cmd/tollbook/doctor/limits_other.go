//go:build !linux && !darwin

package doctor

func fileLimit() (limit uint64, known bool) { return 0, false }

func freeBytes(string) (uint64, bool) { return 0, false }
