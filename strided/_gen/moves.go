package main

func moves(m *machine) {}
