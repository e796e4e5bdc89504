module github.com/monel-dev/monel

go 1.26
