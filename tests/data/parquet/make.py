"""Makes the files of this folder: NAME.parquet, and beside it NAME.jsonl with the rows as pyarrow reads them. Needs pyarrow."""
import pyarrow as pa, pyarrow.parquet as pq, json, datetime as D, decimal, math, uuid, random, os, sys
out = os.path.dirname(os.path.abspath(__file__)) + '/'
def js(v):
    if v is None or isinstance(v,(bool,int,str)): return v
    if isinstance(v,float): return v if math.isfinite(v) else None
    if isinstance(v,decimal.Decimal): return float(v)
    if isinstance(v,bytes): return v.decode()
    if isinstance(v,D.datetime):
        r=v.replace(tzinfo=None).isoformat(); return r+('Z' if v.tzinfo else '')
    if isinstance(v,D.date) or isinstance(v,D.time): return v.isoformat()
    if isinstance(v,uuid.UUID): return str(v)
    if isinstance(v,list):
        return [js(x) for x in v]
    if isinstance(v,dict): return {k:js(x) for k,x in v.items()}
    raise Exception(type(v))
def save(name, table, maps=(), **kw):
    kw.setdefault('store_schema', False)
    pq.write_table(table, out+name+'.parquet', **kw)
    rows=table.to_pylist()
    with open(out+name+'.jsonl','w') as f:
        for r in rows:
            for m in maps:
                if r[m] is not None: r[m]=dict(r[m])
            f.write(json.dumps(js(r),ensure_ascii=False,separators=(',',':'))+'\n')
    print(name, os.path.getsize(out+name+'.parquet'), os.path.getsize(out+name+'.jsonl'))
n=40
random.seed(1)
words=['The sky is blue.','','Grün – 緑 🌲','a "quoted" text\n','x'*60]
def flat(n):
    return pa.table({
     'flag': pa.array([i%3==0 if i%5 else None for i in range(n)], pa.bool_()),
     'i32': pa.array([(-1)**i*i*1000003 if i%4 else None for i in range(n)], pa.int32()),
     'i64': pa.array([(-1)**i*(2**62-i*7) for i in range(n)], pa.int64()),
     'f32': pa.array([i/4-3 for i in range(n)], pa.float32()),
     'f64': pa.array([math.sqrt(i) if i%7 else None for i in range(n)], pa.float64()),
     'text': pa.array([words[i%5]+str(i//5) if i%6 else None for i in range(n)], pa.string()),
    })
t=flat(n)
small=t.slice(0,12)
for codec in ['none','snappy','gzip','zstd']:
    save('codec-'+codec, small, compression=codec, use_dictionary=False)
    save('codec2-'+codec, small, compression=codec, use_dictionary=True, data_page_version='2.0')
E_={'flag':'RLE','i32':'DELTA_BINARY_PACKED','i64':'DELTA_BINARY_PACKED','f32':'BYTE_STREAM_SPLIT','f64':'BYTE_STREAM_SPLIT','text':'DELTA_LENGTH_BYTE_ARRAY'}
save('encoding-delta', pa.table({'i32': pa.array([i*i-3*i if i%9 else None for i in range(140)],pa.int32()),'t':[str(i%11) for i in range(140)]}), use_dictionary=False, column_encoding={'i32':'DELTA_BINARY_PACKED','t':'DELTA_LENGTH_BYTE_ARRAY'}, compression='zstd')
E2=dict(E_); E2['text']='DELTA_BYTE_ARRAY'
save('encoding-delta2', small, use_dictionary=False, column_encoding=E2, compression='none', data_page_version='2.0')
save('encoding-split', pa.table({'f32':pa.array([1.5,None,-2.25,0.0],pa.float32()),'f64':[1e300,-0.1,None,3.0],'i32':pa.array([1,2,3,None],pa.int32()),'i64':pa.array([1,-2,2**40,None],pa.int64())}), use_dictionary=False, column_encoding='BYTE_STREAM_SPLIT')
pre=[f'https://example.org/{"a"*(i%4)}/{i}' for i in range(60)]
save('encoding-prefixes', pa.table({'url':pre}), use_dictionary=False, column_encoding='DELTA_BYTE_ARRAY')
# dictionary fallback and several pages
save('dictionary-fallback', pa.table({'text':[('word %d'%(i%3)) if i<30 else 'unlike %d all others'%i for i in range(60)]}), dictionary_pagesize_limit=64, data_page_size=64, write_batch_size=8, compression='none')
save('pages', pa.table({'i':pa.array([i if i%3 else None for i in range(140)],pa.int64()),'t':[str(i)*(i%4) for i in range(140)]}), data_page_size=64, write_batch_size=16, compression='snappy',use_dictionary=False,write_statistics=False)
save('pages2', pa.table({'i':pa.array([i if i%3 else None for i in range(140)],pa.int64()),'l':[[str(k) for k in range(i%5)] if i%6 else None for i in range(140)]}), data_page_size=64, write_batch_size=16, compression='zstd',use_dictionary=['l'],data_page_version='2.0',write_statistics=False)
save('groups', pa.table({'a':list(range(25)),'b':[None]*25}, schema=pa.schema([('a',pa.int64()),('b',pa.string())])), row_group_size=10,write_statistics=False)
save('nothing', t.slice(0,0))
# nested
msg=pa.list_(pa.struct([('role',pa.string()),('content',pa.string())]))
chats=[[{'role':'user','content':'Hi'},{'role':'assistant','content':'Hello.'}], [], None, [{'role':'system','content':None}], [None,{'role':'user','content':'x'}]]
save('chat', pa.table({'id':['a','b','c','d','e'],'messages':pa.array(chats,msg)}))
save('chat2', pa.table({'messages':pa.array(chats*8,msg)}), data_page_version='2.0', row_group_size=7, compression='zstd', data_page_size=32,write_batch_size=2,write_statistics=False)
save('lists', pa.table({'l':pa.array([[1,2],[],None,[None],[3]],pa.list_(pa.int64())),
  'll':pa.array([[[1],[2,3]],[[]],[None,[4]],None,[]],pa.list_(pa.list_(pa.int32()))),
  'lll':pa.array([[[['a'],[]],[]],[],None,[None,[None,['b',None]]],[[['c']]]],pa.list_(pa.list_(pa.list_(pa.string()))))}))
save('structs', pa.table({'s':pa.array([{'a':1,'b':{'c':'x','d':[1.5]}},{'a':None,'b':None},None,{'a':2,'b':{'c':None,'d':None}}],
   pa.struct([('a',pa.int64()),('b',pa.struct([('c',pa.string()),('d',pa.list_(pa.float64()))]))]))}))
save('tools', pa.table({'calls':pa.array([[{'name':'f','args':[{'k':'a','v':[1]},{'k':'b','v':[]}]}],[{'name':'g','args':None},{'name':None,'args':[]}],[]],
   pa.list_(pa.struct([('name',pa.string()),('args',pa.list_(pa.struct([('k',pa.string()),('v',pa.list_(pa.int8()))])))])))}))
save('maps', pa.table({'m':pa.array([[('a',1),('b',None)],[],None,[('c',3)]],pa.map_(pa.string(),pa.int32()))}),maps=['m'])
sch=pa.schema([pa.field('id',pa.int64(),nullable=False),pa.field('l',pa.list_(pa.field('element',pa.string(),nullable=False)),nullable=False)])
save('required', pa.table({'id':[1,2,3],'l':[['a','b'],[],['c']]},schema=sch))
# meanings
utc=D.timezone.utc
dt=[D.datetime(2024,12,3,10,15,30,123456),D.datetime(1969,12,31,23,59,59),None,D.datetime(2000,2,29)]
tt=pa.table({
 'date':pa.array([D.date(2024,2,29),D.date(1,1,1),None,D.date(9999,12,31)]),
 'ms':pa.array([D.datetime(2024,12,3,10,15,30,123000),D.datetime(1969,12,31,23,59,59),None,D.datetime(2000,2,29)],pa.timestamp('ms')),
 'us':pa.array(dt,pa.timestamp('us',tz='UTC')),
 'time':pa.array([D.time(1,2,3),D.time(23,59,59,5),None,D.time(0)],pa.time64('us')),
 'u8':pa.array([255,0,None,1],pa.uint8()),'u32':pa.array([2**32-1,0,None,1],pa.uint32()),'u63':pa.array([2**63-1,0,None,1],pa.uint64()),
 'dec':pa.array([decimal.Decimal('12.50'),decimal.Decimal('-0.05'),None,decimal.Decimal('0.00')],pa.decimal128(9,2)),
 'big':pa.array([decimal.Decimal('-12345678901234567890.5'),decimal.Decimal('1'),None,decimal.Decimal('0')],pa.decimal128(30,1)),
 'half':pa.array([1.5,-0.25,None,6e-8],pa.float16()),
 'bin':pa.array([b'text',b'',None,'gr\u00fcn'.encode()],pa.binary()),
 'nan':[float('nan'),float('inf'),None,1.0],
 'cat':pa.array(['x','y',None,'x']).dictionary_encode(),
})
save('meanings', tt.drop_columns(['half','nan']))
rows=tt.select(['half','nan'])
save('reals', rows)
old=pa.table({'ts':pa.array(dt,pa.timestamp('us'))})
save('int96', old, use_deprecated_int96_timestamps=True)
t=pa.table({'image':pa.array([{'bytes':b'\x89PNG\r\n\x1a\n\x00\xff','path':'a.png'},{'bytes':None,'path':None}],pa.struct([('bytes',pa.binary()),('path',pa.string())]))})
pq.write_table(t,out+'bytes.parquet',store_schema=False)
import base64
with open(out+'bytes.jsonl','w') as f:
    f.write(json.dumps({'image':{'bytes':'data:image/png;base64,'+base64.b64encode(b'\x89PNG\r\n\x1a\n\x00\xff').decode(),'path':'a.png'}})+'\n'+'{"image":{"bytes":null,"path":null}}\n')
# json & uuid logical types
u=[uuid.UUID(int=2**127+5),uuid.UUID(int=1)]
t=pa.table({'u':pa.array([x.bytes for x in u],pa.uuid()),'j':pa.array(['{"a": [1, null]}','"t"'],pa.json_())})
pq.write_table(t,out+'uuid-json.parquet',store_schema=False)
open(out+'uuid-json.jsonl','w').write(''.join(json.dumps({'u':str(x),'j':json.loads(y)})+'\n' for x,y in zip(u,['{"a": [1, null]}','"t"'])))
save('chats', pa.table({'messages':pa.array([[{'role':'user','content':f'Question {i}?'},{'role':'assistant','content':f'Answer {i}.'}] for i in range(6)],msg),'id':list(range(6))}),row_group_size=4)
info = {'info': {'features': {'label': {'names': ['neg', 'pos'], '_type': 'ClassLabel'},
                              'tags': {'feature': {'names': ['a', 'b'], '_type': 'ClassLabel'}, '_type': 'List'}}}}
save('classes', pa.table({'label': [0, 1, -1, None], 'tags': [[0, 1], [], None, [1]]}).replace_schema_metadata(
    {'huggingface': json.dumps(info)}), store_schema=True)
