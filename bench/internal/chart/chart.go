// Package chart draws contests: bus bandwidth and time against size.
package chart

import (
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/monel-dev/monel/bench/internal/report"
)

// The size of the picture.
const (
	width  = 11 * vg.Inch
	height = 5 * vg.Inch
)

// palette is Okabe and Ito's, which people of any colour vision tell apart.
var palette = []color.RGBA{
	{R: 0xd5, G: 0x5e, A: 0xff},          // vermilion: ours
	{G: 0x72, B: 0xb2, A: 0xff},          // blue
	{G: 0x9e, B: 0x73, A: 0xff},          // green
	{R: 0xcc, G: 0x79, B: 0xa7, A: 0xff}, // purple
	{R: 0xe6, G: 0x9f, A: 0xff},          // orange
	{R: 0x56, G: 0xb4, B: 0xe9, A: 0xff}, // sky
	{R: 0x44, G: 0x44, B: 0x44, A: 0xff}, // grey: the limit
}

// Write draws the matches of all contenders to a file, an SVG or PNG by its
// name.
func Write(file, title string, contenders []report.Contender, matches []report.Match) error {
	bandwidth, err := panel("bus bandwidth", "GB/s", contenders, matches, func(r *report.Result) float64 { return r.BusBW })
	if err != nil {
		return err
	}
	bandwidth.Legend.Left = true
	latency, err := panel("time per call", "µs", contenders, matches, func(r *report.Result) float64 { return r.TimeUS })
	if err != nil {
		return err
	}
	latency.Legend = plot.NewLegend() // one is enough
	canvas, err := newCanvas(file)
	if err != nil {
		return err
	}
	paint(draw.New(canvas), title, bandwidth, latency)
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func newCanvas(file string) (vg.CanvasWriterTo, error) {
	switch strings.ToLower(filepath.Ext(file)) {
	case ".svg":
		return vgsvg.New(width, height), nil
	case ".png":
		return vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(150))}, nil
	default:
		return nil, fmt.Errorf("%s: want a name that ends in .svg or .png", file)
	}
}

// paint puts the panels side by side under the title.
func paint(c draw.Canvas, title string, panels ...*plot.Plot) {
	c.SetColor(color.White)
	c.Fill(c.Rectangle.Path())
	style := panels[0].Title.TextStyle
	style.Font.Size = vg.Points(13)
	style.XAlign, style.YAlign = draw.XCenter, draw.YTop
	c.FillText(style, vg.Point{X: c.Center().X, Y: c.Max.Y - vg.Points(8)}, title)
	inner := draw.Crop(c, vg.Points(8), -vg.Points(12), vg.Points(8), -vg.Points(32))
	tiles := draw.Tiles{Rows: 1, Cols: len(panels), PadX: vg.Points(18)}
	for i, canvas := range plot.Align([][]*plot.Plot{panels}, tiles, inner)[0] {
		panels[i].Draw(canvas)
	}
}

// panel draws one quantity of all contenders. Zeros have no place on its axes.
func panel(title, unit string, contenders []report.Contender, matches []report.Match, value func(*report.Result) float64) (*plot.Plot, error) {
	plot.DefaultFont.Variant = "Sans"
	p := plot.New()
	p.Title.Text = title
	p.X.Label.Text = "message size (bytes)"
	p.Y.Label.Text = unit
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = sizes{}, plot.LogTicks{Prec: -1}
	p.Legend.Top, p.Legend.Padding = true, vg.Points(3)
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = color.Gray{0xe4}, color.Gray{0xe4}
	p.Add(grid)
	points := 0
	type entry struct {
		name  string
		drawn []plot.Thumbnailer
	}
	var legend []entry
	// Ours is drawn last, so that nothing hides it.
	for i := len(contenders) - 1; i >= 0; i-- {
		var xys plotter.XYs
		for _, m := range matches {
			if y := value(m.Result(i)); m.Bytes > 0 && y > 0 {
				xys = append(xys, plotter.XY{X: float64(m.Bytes), Y: y})
			}
		}
		if len(xys) == 0 {
			continue
		}
		points += len(xys)
		line, dots, err := plotter.NewLinePoints(xys)
		if err != nil {
			return nil, err
		}
		dress(line, dots, contenders[i].Name, i)
		p.Add(line, dots)
		legend = append(legend, entry{contenders[i].Label(), []plot.Thumbnailer{line, dots}})
	}
	for _, e := range slices.Backward(legend) {
		p.Legend.Add(e.name, e.drawn...)
	}
	if points == 0 {
		return nil, fmt.Errorf("nothing to draw: no size above zero was measured")
	}
	// A single point has no range of its own.
	p.X.Min, p.X.Max = p.X.Min/1.5, p.X.Max*1.5
	p.Y.Min, p.Y.Max = p.Y.Min/1.5, p.Y.Max*1.5
	return p, nil
}

func dress(line *plotter.Line, dots *plotter.Scatter, name string, i int) {
	c := palette[i%(len(palette)-1)]
	line.Width = vg.Points(1.4)
	switch name {
	case report.Ours:
		line.Width = vg.Points(2.6)
	case report.Limit:
		c = palette[len(palette)-1]
		line.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
	}
	line.Color, dots.Color = c, c
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.BoxGlyph{}, draw.TriangleGlyph{}, draw.PyramidGlyph{}, draw.PlusGlyph{}, draw.CrossGlyph{}}
	dots.Shape, dots.Radius = shapes[i%len(shapes)], vg.Points(2.6)
}
