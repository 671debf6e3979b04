// The texts of the page, in English and Chinese: [en, zh]. {0} and {1} are filled in.

const TEXTS = {
  skip: ["Skip to the content", "跳到内容"],
  parts: ["Sections of the page", "页面各部分"],
  instances: ["Instances", "实例"],
  network: ["Network", "网络"],
  requests: ["Requests", "请求"],
  faults: ["Faults", "故障"],
  resources: ["Resources", "资源"],
  clusters: ["Container Service", "容器服务"],
  live: ["live", "实时"],
  waiting: ["connecting…", "连接中…"],
  away: ["disconnected; after the cloud has started again, run: ecsmachine local open", "已结束；云重新启动后请输入：ecsmachine local open"],
  asking: ["Asking…", "查询中…"],
  details: ["Details", "详情"],
  close: ["Close", "关闭"],
  remove: ["Remove", "删除"],
  copy: ["Copy", "复制"],
  copied: ["Copied", "已复制"],
  pause: ["Pause", "暂停"],
  cpu: ["CPU", "CPU"],

  "instances.none": ["No instances yet. Run:", "还没有实例。请输入："],
  "network.none": ["The network has no instances yet. Run:", "网络中还没有实例。请输入："],
  "requests.none": ["The API has received no requests yet. Run:", "API 还没有收到请求。请输入："],
  "faults.none": ["No faults are set. Set one here, or run:", "目前没有设置故障。可在此设置，或输入："],
  "resources.none": ["None.", "没有。"],
  "clusters.none": ["No clusters yet. Run:", "还没有集群。请输入："],
  "containers.none": ["The engine has no containers.", "引擎中没有容器。"],
  "console.none": ["The console is empty.", "控制台没有输出。"],

  state: ["State", "状态"], type: ["Type", "规格"], image: ["Image", "镜像"], zone: ["Zone", "可用区"],
  private: ["Private address", "私网地址"], public: ["Public address", "公网地址"],
  groups: ["Security groups", "安全组"], group: ["group", "安全组"], key: ["Key pair", "密钥对"],
  description: ["Description", "描述"], tags: ["Tags", "标签"], created: ["Created", "创建时间"],
  console: ["Console", "控制台"], containers: ["Containers", "容器"], "containers.ask": ["List containers", "列出容器"],
  name: ["Name", "名称"], ports: ["Ports", "端口"], kind: ["Kind", "类型"], size: ["Size", "大小"],
  instance: ["Instance", "实例"], fingerprint: ["Fingerprint", "指纹"], address: ["Address", "地址"],
  version: ["Version", "版本"], nodes: ["Nodes", "节点"], projects: ["Projects", "应用"],
  "image.system": ["system", "系统镜像"], "image.own": ["custom", "自定义"],
  "kind.disks": ["Disks", "磁盘"], "kind.snapshots": ["Snapshots", "快照"], "kind.images": ["Images", "镜像"],
  "kind.key_pairs": ["Key pairs", "密钥对"], "kind.eips": ["Elastic addresses", "弹性公网 IP"],
  "kind.load_balancers": ["Load balancers", "负载均衡"], "kind.launch_templates": ["Launch templates", "启动模板"],
  "kind.commands": ["Commands", "命令"], "kind.tag_sets": ["Tags", "标签"],

  "status.Running": ["Running", "运行中"], "status.Stopped": ["Stopped", "已停止"],
  "status.Pending": ["Pending", "创建中"], "status.Starting": ["Starting", "启动中"],
  "status.Stopping": ["Stopping", "停止中"],

  "filter.text": ["Filter by action, parameter or code", "按操作、参数或错误码筛选"],
  "filter.which": ["Filter by outcome", "哪些请求"],
  "which.all": ["All", "全部"], "which.done": ["Succeeded", "成功"], "which.refused": ["Refused", "被拒绝"],
  "which.missing": ["Not implemented", "未实现"], "which.cut": ["Connection cut", "连接中断"],
  missing: ["not implemented", "未实现"], left: ["{0} more requests before this one came too fast to show", "此前另有 {0} 个请求太快，未显示"],
  product: ["Product", "产品"], client: ["Client", "客户端"], program: ["Program", "程序"],
  answer: ["Answer", "应答"], took: ["Took", "耗时"], parameters: ["Parameters", "参数"],
  "as.python": ["As Python", "Python 代码"], "as.curl": ["As curl", "curl 命令"], "as.pytest": ["As a test", "pytest 测试"],

  "faults.set": ["Set a fault", "设置故障"], "faults.kind": ["Kind", "类型"], "faults.add": ["Set fault", "设置"],
  struck: ["struck {0} times", "已触发 {0} 次"],
  "field.action": ["RunInstances, Describe*", "RunInstances、Describe*"], "field.code": ["InternalError", "InternalError"],
  "field.times": ["unlimited", "不限"], "field.probability": ["1", "1"], "field.seconds": ["5", "5"],
  "field.rate": ["requests per second", "每秒请求数"], "field.instance": ["web*", "web*"],
  "field.instance_type": ["ecs.g6.*", "ecs.g6.*"], "field.path": ["*.deb", "*.deb"],

  reach: ["Can A reach B?", "A 能访问 B 吗？"], from: ["From (A)", "来源 (A)"], to: ["To (B)", "目标 (B)"],
  port: ["Port", "端口"], protocol: ["Protocol", "协议"], "reach.ask": ["Ask", "查询"],
  "reach.yes": ["Yes, A can reach B.", "可以访问。"], "reach.no": ["No, A cannot reach B.", "无法访问。"],
  "reach.members": ["members of this group can reach each other:", "该组内成员互通："],
  "reach.open": ["no rule matches, and outbound traffic is allowed by default", "没有相应规则，出方向默认放行"],
  "reach.closed": ["no rule allows it", "没有规则放行"],
  "reach.vpc": ["They are in different VPCs. Alibaba Cloud isolates VPCs; the local cloud does not.", "它们位于不同的 VPC：阿里云会隔离，本地云不会。"],
  "reason.itself": ["An instance can always reach itself; no rule applies.", "实例访问自身，不经过规则。"],
  "reason.stopped": ["is not running.", "没有运行。"],
  "reason.no guest": ["The instances of this cloud run no system (--guests none).", "此云的实例中没有运行系统（--guests none）。"],
  "reason.no engine": ["No engine is installed in this instance yet.", "此实例尚未安装引擎。"],
  "reason.no agent": ["The guest has not booted yet.", "系统尚未启动完成。"],
  "side.egress": ["Out of A", "A 出方向"], "side.ingress": ["Into B", "B 入方向"],
  "rule.in": ["inbound from", "入，来自"], "rule.out": ["outbound to", "出，到"],
  "group.size": ["{0} instances, {1} rules", "{0} 个实例，{1} 条规则"],
  computer: ["This computer", "本机"], internet: ["and the outside network", "及外部网络"],
};

const LANGUAGES = ["en", "zh"];
const KEPT = "ecsmachine-language";

export function language() {
  const kept = localStorage.getItem(KEPT);
  const sent = document.documentElement.lang;
  return LANGUAGES.includes(kept) ? kept : LANGUAGES.includes(sent) ? sent : "en";
}

export function setLanguage(name) {
  localStorage.setItem(KEPT, name);
  location.reload();
}

const at = LANGUAGES.indexOf(language());

export function t(key, ...values) {
  const text = TEXTS[key]?.[at] ?? "";
  return text.replace(/\{(\d)\}/g, (_, number) => values[number]);
}
