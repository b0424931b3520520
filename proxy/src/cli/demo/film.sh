#!/bin/sh
# Draws the demo's film: a moving pattern, a running clock, a bar and a tone, all from ffmpeg's own sources.
set -eu
length_s=12
clock="%{eif\\:t\\:d\\:2}.%{eif\\:mod(n\\,25)*4\\:d\\:2} s"
ffmpeg -y -loglevel error \
  -f lavfi -i "gradients=size=640x360:rate=25:duration=$length_s:c0=0x10263b:c1=0x1f6f78:c2=0x0b1320:nb_colors=3:seed=7:speed=0.02" \
  -f lavfi -i "sine=frequency=220:beep_factor=4:sample_rate=44100:duration=$length_s" \
  -filter_complex "
    [0:v]drawbox=x=0:y=h-12:w=iw:h=12:color=0x0b1320:t=fill,
      drawtext=text='watchgate':fontsize=56:fontcolor=white:x=40:y=60,
      drawtext=text='one film, many nodes, one link':fontsize=24:fontcolor=0xcfe8ea:x=42:y=128,
      drawtext=text='$clock':fontsize=96:fontcolor=white:x=40:y=200[picture];
    color=0xf2b134:size=640x12:rate=25:duration=$length_s[bar];
    [picture][bar]overlay=x='-640+640*t/$length_s':y=348:shortest=1,format=yuv420p[video];
    [1:a]volume=0.25,afade=t=out:st=$((length_s - 1)):d=1[sound]" \
  -map "[video]" -map "[sound]" -c:v libx264 -profile:v main -preset veryslow -crf 27 -g 50 -c:a aac -b:a 64k -ac 1 \
  -map_metadata -1 -fflags +bitexact -flags:v +bitexact -flags:a +bitexact -metadata title="watchgate demo" \
  -movflags +faststart "${1:-film.mp4}"
