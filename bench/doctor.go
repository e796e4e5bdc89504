package main

import (
	"encoding/json"
	"errors"
	"io"

	"github.com/monel-dev/monel/bench/internal/cli"
	"github.com/monel-dev/monel/bench/internal/doctor"
)

// runDoctor writes what this machine has to out, or as JSON to where the command
// line says.
func runDoctor(cfg *cli.DoctorConfig, out io.Writer) (err error) {
	m := machine()
	found := doctor.This(program(), m.CPU, m.Cores).Look()
	if cfg.JSON == "" {
		return found.Write(out)
	}
	file, err := create(cfg.JSON)
	if err != nil {
		return err
	}
	if cfg.JSON != "-" {
		if err := found.Write(out); err != nil {
			return errors.Join(err, file.Close())
		}
		defer func() { err = errors.Join(err, file.Close()) }()
	}
	return json.NewEncoder(file).Encode(found)
}
